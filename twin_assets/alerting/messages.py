"""What an alert says: author, step, the error in one sentence, whether a retry can help, and where to look.

No secret is in it: every value of a secret setting, and what looks like a credential or an address of a person, is
masked, because an alert leaves the machine.
"""

import re
from collections.abc import Iterable

from pydantic import Field, SecretStr

from twin_assets.documents import Entity, content_hash
from twin_assets.features.masking import without_personal_data
from twin_assets.settings import Settings

LONGEST = 600
"""Characters of an error that are told; the rest is in the run."""

HIDDEN = "[SECRET]"

_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")


class Alert(Entity):
    """One thing that people are told."""

    key: str | None = Field(description="The same for the same trouble, so that it is told once; None is told always")
    kind: str = Field(description="failure or promotion")
    subject: str = Field(description="One line")
    text: str = Field(description="All of it, as plain text")
    link: str = Field(description="Where to look")


def failure_alert(
    *, author: str | None, step: str, sentence: str, retry_can_help: bool, link: str, secrets: Iterable[str]
) -> Alert:
    """Return the alert of a step that failed.

    Args:
        author: Slug of the author; None if the step is of all.
        step: Name of the step, or of the job where no step began.
        sentence: What went wrong.
        retry_can_help: Whether the same again can end otherwise.
        link: Address of the run.
        secrets: Values that must not be told.
    """
    whose = author or "all authors"
    said = masked(sentence, secrets)
    advice = (
        "A retry can help: what failed passes by itself. If it comes again, look at the service."
        if retry_can_help
        else "A retry cannot help before that is mended."
    )
    return Alert(
        # The sentence is part of it: another error of the same step is other news. Its numbers are not, because a
        # count or a port that differs makes no other trouble.
        key=content_hash(["failure", whose, step, re.sub(r"\d+", "0", said)])[:16],
        kind="failure",
        subject=f"{step} of {whose} failed",
        text=f"{step} of {whose} failed: {said}\n{advice}\n{link}",
        link=link,
    )


def promotion_alert(*, author: str, version: str, reason: str, link: str, secrets: Iterable[str]) -> Alert:
    """Return the note that an author's model has another champion."""
    return Alert(
        key=None,
        kind="promotion",
        subject=f"Version {version} of {author} is the champion",
        text=f"Version {version} of {author} is the champion now: {masked(reason, secrets)}\n{link}",
        link=link,
    )


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text, on one line and not endless, without secrets and personal data."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    line = " ".join(without_personal_data(_USERINFO.sub("", text[: LONGEST * 4])).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rstrip()} ..."


def secrets_of(settings: Settings) -> list[str]:
    """Return the value of every setting that is a secret; of an address, also the password in it."""
    values = [
        value.get_secret_value()
        for name in type(settings).model_fields
        if isinstance(value := getattr(settings, name), SecretStr)
    ]
    passwords = [match.group(1) for value in values if (match := re.search(r"://[^/\s:@]*:([^/\s@]+)@", value))]
    return [*values, *passwords]
