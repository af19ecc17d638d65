"""Language: which one a document is written in, and what the mix of a person's languages is.

What a page declares is often its template's language: a blog in German on an English platform says "en". So the
detector is believed where it has enough prose to be sure, and the declaration where it has not.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from twin_assets.features.blocks import Block
from twin_assets.features.inline import shown

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier  # type: ignore[import-untyped]

MIN_CONFIDENCE = 0.7
"""Probability from which the detector is believed, against a declaration and without one.

py3langid scales its probabilities by the length of the text, so no length is asked for besides. Of 6,000 English
sentences of the LLM Engineer's Handbook and of the samples, 82 % reach 0.7, and two of them are taken for another
language; of those with 60 characters or more, 98 % do.
"""

MAX_CHARACTERS = 20_000
"""Prose beyond this changes no verdict, and costs time."""

_PROSE = frozenset({"paragraph", "list", "quote", "heading"})


def language_of(blocks: Sequence[Block], declared: str | None) -> str | None:
    """Return the language of a document (ISO 639-1): detected where that is safe, else declared, else None.

    Args:
        blocks: The cleaned blocks; code, tables and raw HTML are left out.
        declared: What the source says, such as "en" or "en-GB".
    """
    prose = "\n".join(shown(block.text) for block in blocks if block.kind in _PROSE)[:MAX_CHARACTERS]
    declared = declared.replace("_", "-").split("-")[0].casefold() if declared else None
    if not prose.strip():
        return declared
    language, confidence = _identifier().classify(prose)
    return str(language) if confidence >= MIN_CONFIDENCE else declared


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
