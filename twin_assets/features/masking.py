"""Masking: personal data and secrets become typed placeholders, and nothing else changes.

What counts as one is decided in `personal_data` and `credentials`. A placeholder says what stood there, so that a
sentence keeps its shape: "Write to [EMAIL]."
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from twin_assets.features.credentials import SECRET, find_secrets
from twin_assets.features.personal_data import (
    EMAIL,
    IP_ADDRESS,
    PHONE,
    Finding,
    find_emails,
    find_ip_addresses,
    find_phone_numbers,
)

PLACEHOLDERS = {EMAIL: "[EMAIL]", PHONE: "[PHONE]", IP_ADDRESS: "[IP_ADDRESS]", SECRET: "[SECRET]"}


def find_personal_data(text: str) -> list[Finding]:
    """Return what is to be masked, in the order of the text, without overlaps.

    A secret outranks all others, for a password in a URL may look like the beginning of an e-mail address. Otherwise
    the one that begins first is kept, and of two that begin together the longer.
    """
    secrets = _apart(find_secrets(text))
    starts = [secret.start for secret in secrets]
    others = []
    for finding in [*find_emails(text), *find_phone_numbers(text), *find_ip_addresses(text)]:
        before = bisect_left(starts, finding.end) - 1
        if before < 0 or secrets[before].end <= finding.start:
            others.append(finding)
    return sorted([*secrets, *_apart(others)])


def mask_personal_data(text: str, masked: Counter[str]) -> str:
    """Return a text with placeholders for personal data and secrets, in which nothing more is found.

    Args:
        text: Any text; what is masked already stays as it is.
        masked: What is masked is counted here, by kind.
    """
    # Again and again: what stands beside a finding may be found only when the finding is gone.
    while findings := find_personal_data(text):
        result, position = [], 0
        for finding in findings:
            result += [text[position : finding.start], PLACEHOLDERS[finding.kind]]
            position = finding.end
            masked[finding.kind] += 1
        text = "".join([*result, text[position:]])
    return text


def without_personal_data(text: str) -> str:
    """Return a text for a sample or a log: there, personal data is masked whatever the author's setting is."""
    return mask_personal_data(text, Counter())


def _apart(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings that do not overlap: of two that do, the one that begins first, or is longer."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda finding: (finding.start, -finding.end)):
        if not kept or kept[-1].end <= finding.start:
            kept.append(finding)
    return kept
