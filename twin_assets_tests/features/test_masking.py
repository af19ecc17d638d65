from collections import Counter
from itertools import pairwise

from twin_assets.features.masking import find_personal_data, mask_personal_data, without_personal_data

TEXT = (
    "Write to ann@reed.io or call +49 30 901820; the host is 93.184.215.14.\n\n"
    "```python\nDSN = 'postgres://ann:Tr0ub4dor@db.reed.io/shop'  # v1.2.3.4, 2024-03-12\n```\n"
)
MASKED = (
    "Write to [EMAIL] or call [PHONE]; the host is [IP_ADDRESS].\n\n"
    "```python\nDSN = 'postgres://ann:[SECRET]@db.reed.io/shop'  # v1.2.3.4, 2024-03-12\n```\n"
)


def test_each_kind_gets_its_placeholder_and_is_counted_and_all_else_stays():
    masked = Counter()

    assert mask_personal_data(TEXT, masked) == MASKED
    assert masked == {"email": 1, "phone": 1, "ip_address": 1, "secret": 1}


def test_what_is_masked_is_not_masked_again():
    assert find_personal_data(MASKED) == []
    assert without_personal_data(MASKED) == MASKED


def test_findings_stand_in_order_and_do_not_overlap():
    findings = find_personal_data(TEXT)

    assert [finding.kind for finding in findings] == ["email", "phone", "ip_address", "secret"]
    assert all(one.end <= other.start for one, other in pairwise(findings))


def test_a_secret_outranks_the_address_that_it_looks_like_the_beginning_of():
    assert without_personal_data("https://ann:Tr0ub4dor@reed.io") == "https://ann:[SECRET]@reed.io"
