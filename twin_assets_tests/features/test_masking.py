from collections import Counter
from itertools import pairwise, product

import pytest

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


PERSONAL = [
    "ada@marsh.org",
    "Tel. 030 901820",
    "+49 30 901820",
    "212-736-5000",
    "(212) 736-5000",
    "83.12.44.9",
    "password = 'xK9mPq2vL7'",
    "https://ann:Tr0ub4dor@reed.io",
]


@pytest.mark.parametrize("between", [" ", "\n", "/", ", ", "; ", "\n\n", " - ", "|"])
def test_nothing_is_left_of_two_findings_side_by_side(between):
    for one, other in product(PERSONAL, repeat=2):
        masked = without_personal_data(f"{one}{between}{other}")

        assert find_personal_data(masked) == [], masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Tel. 030 901820\n212-736-5000", "Tel. [PHONE]\n[PHONE]"),
        ("ada@marsh.org/83.12.44.9", "[EMAIL]/[IP_ADDRESS]"),
        ("+49 30 901820 (212) 736-5000", "[PHONE] [PHONE]"),
        ("+1 (212) 736-5000", "[PHONE]"),
    ],
)
def test_each_of_two_findings_side_by_side_is_masked_whole(text, masked):
    assert without_personal_data(text) == masked
