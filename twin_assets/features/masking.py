"""Masking: personal data and secrets become typed placeholders, and nothing else changes.

What counts as one is decided in `personal_data` and `credentials`. A placeholder says what stood there, so that a
sentence keeps its shape: "Write to [EMAIL]."
"""

from collections import Counter

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
    """Return what is to be masked, in the order of the text; where two overlap, the one that begins first, or longer.

    A secret outranks all others: a password in a URL may look like the beginning of an e-mail address.
    """
    findings = sorted(
        [*find_secrets(text), *find_emails(text), *find_phone_numbers(text), *find_ip_addresses(text)],
        key=lambda finding: (finding.kind != SECRET, finding.start, -finding.end),
    )
    kept: list[Finding] = []
    for finding in findings:
        if not any(finding.start < other.end and other.start < finding.end for other in kept):
            kept.append(finding)
    return sorted(kept)


def mask_personal_data(text: str, masked: Counter[str]) -> str:
    """Return a text with placeholders for personal data and secrets.

    Args:
        text: Any text; what is masked already stays as it is.
        masked: What is masked is counted here, by kind.
    """
    result, position = [], 0
    for finding in find_personal_data(text):
        result += [text[position : finding.start], PLACEHOLDERS[finding.kind]]
        position = finding.end
        masked[finding.kind] += 1
    return "".join([*result, text[position:]])


def without_personal_data(text: str) -> str:
    """Return a text for a sample or a log: there, personal data is masked whatever the author's setting is."""
    return mask_personal_data(text, Counter())
