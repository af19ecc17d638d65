"""What readers of the twin's answers thought of them: the entries of a feedback file, and how it is read.

The serving side writes the file; `docs/feedback.md` is its contract. How entries become pairs is decided in
`feedback_pairs`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, Field, ValidationError, field_validator, model_validator

from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.documents import Entity, checked_slug
from twin_assets.errors import UserError

MAX_NAMED = 10
"""Lines that an error names; it counts the rest."""


class Feedback(Entity):
    """One verdict on one answer: a line of the file."""

    id: str = Field(min_length=1, description="Names the entry; a later entry with the same id takes its place")
    author: str = Field(description="Slug of the author whose twin answered")
    prompt: str = Field(description="What the reader asked")
    answer: str = Field(description="What the twin answered, whole")
    verdict: Literal["up", "down"] = Field(description="up: the answer was liked; down: it was not")
    model: str = Field(min_length=1, description="What answered: registry name and version, or checkpoint version")
    created_at: AwareDatetime = Field(description="When the verdict was given, ISO 8601 with a time zone")
    correction: str | None = Field(default=None, description="What the twin should have answered, whole")
    corrected_by: str | None = Field(
        default=None, description="Who wrote the correction: the author's slug signs it as the author's own words"
    )
    documents: list[str] = Field(default_factory=list, description="Ids of the documents retrieved for the answer")

    @field_validator("author")
    @classmethod
    def _slug_is_well_formed(cls, slug: str) -> str:
        return checked_slug(slug)

    @field_validator("prompt", "answer", "correction")
    @classmethod
    def _says_something(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("is blank")
        return text

    @model_validator(mode="after")
    def _correction_fits(self) -> Self:
        if self.correction is not None and self.verdict == "up":
            raise ValueError("a correction goes with the verdict down")
        if self.corrected_by is not None and self.correction is None:
            raise ValueError("corrected_by goes with a correction")
        return self

    @property
    def is_signed(self) -> bool:
        """Whether the correction is the author's own."""
        return self.correction is not None and self.corrected_by == self.author


def read_feedback(path: Path) -> list[Feedback]:
    """Return the entries of a feedback file, in its order. Blank lines are skipped.

    Args:
        path: A JSONL file: one JSON object per line, UTF-8. Nobody has judged a twin of which there is none.

    Raises:
        UserError: If it cannot be read, or lines in it are no entries; the lines are named, none of it is used.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(
            f"The feedback file {path} cannot be read ({error.strerror}): mend it, or take feedback out of "
            "TWIN_PREFERENCE_GENERATORS."
        ) from error
    entries: list[Feedback] = []
    faults: list[str] = []
    # Split at line feeds alone: a JSON string may hold other characters that Python takes for the end of a line.
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            entries.append(Feedback.model_validate_json(line, strict=True))
        except ValidationError as error:
            faults.append(f"line {number} ({_reason(error)})")
    if faults:
        more = f" and {len(faults) - MAX_NAMED:,} more" if len(faults) > MAX_NAMED else ""
        raise UserError(f"Mend these lines of {path}, see docs/feedback.md: {'; '.join(faults[:MAX_NAMED])}{more}.")
    return entries


def standing(entries: Iterable[Feedback], author: str) -> tuple[list[Feedback], int]:
    """Return an author's entries that stand, oldest first, and how many were overruled.

    An id counts once, by its newest entry; that is a repetition, and not counted. Of several verdicts on the same
    answer to the same prompt (capitals and marks aside) the newest stands; the others are overruled, and counted. Of
    two at the same moment the later one in `entries` is the newer.
    """
    ordered = sorted((entry for entry in entries if entry.author == author), key=lambda entry: entry.created_at)
    newest_of_id = {entry.id: number for number, entry in enumerate(ordered)}
    latest = [ordered[number] for number in sorted(newest_of_id.values())]
    answered = [(normal_form(entry.prompt), normal_form(entry.answer)) for entry in latest]
    newest_of_answer = {key: number for number, key in enumerate(answered)}
    return [latest[number] for number in sorted(newest_of_answer.values())], len(latest) - len(newest_of_answer)


def _reason(error: ValidationError) -> str:
    """Return what is wrong with a line, without repeating what stands in it: it may be somebody's private words."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else str(first["msg"])
