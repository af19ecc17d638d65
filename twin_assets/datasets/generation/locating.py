"""Where a text stands in an author's cleaned documents, for rows that come without their source."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from twin_assets.documents import CleanedDocument

RUN_WORDS = 5
"""Words that a document must share in a row to be looked into: rare enough to leave a document or two."""

ONE_IN = 4
"""One run in so many is indexed: enough to tell documents apart, in a quarter of the memory."""
MIN_CHARACTERS = 40
"""A shorter text is not looked for: it may stand somewhere by chance, and would tell nothing about its source."""

_WORD = re.compile(r"\w+")


class Span(NamedTuple):
    """A place in a cleaned document."""

    document: CleanedDocument
    start: int
    end: int

    @property
    def text(self) -> str:
        """What stands there, verbatim."""
        return self.document.text[self.start : self.end]


class Locator:
    """Finds texts in documents; made once, for the documents are indexed by their runs of words."""

    def __init__(self, documents: Iterable[CleanedDocument]) -> None:
        # A text that stands in a document and in one that repeats it is taken from the first of them.
        self._documents = sorted(documents, key=lambda one: (one.duplicate_of is not None, one.document_id))
        self._where: dict[int, list[int]] = defaultdict(list)
        for number, document in enumerate(self._documents):
            for run in set(_runs(_WORD.findall(document.text))):
                self._where[run].append(number)

    def find(self, text: str) -> Span | None:
        """Return where a text stands verbatim, else where it stands but for its white space, else None.

        Too short a text is not looked for. White space around the text does not count. Of several places the first is
        returned, in documents that repeat no other before those that do.
        """
        exact = text.strip()
        if len(exact) < MIN_CHARACTERS:
            return None
        candidates = self._candidates(exact)
        for document in candidates:
            if (start := document.text.find(exact)) >= 0:
                return Span(document, start, start + len(exact))
        if not candidates:
            return None
        spaced = re.compile(r"\s+".join(map(re.escape, exact.split())))
        for document in candidates:
            if found := spaced.search(document.text):
                return Span(document, *found.span())
        return None

    def _candidates(self, text: str) -> list[CleanedDocument]:
        """Return the documents that may hold a text: every one that holds its indexed runs, or all if it has none.

        Its first and last word do not count, for in the document they may be part of a longer one.
        """
        runs = _runs(_WORD.findall(text)[1:-1])
        if not runs:
            return self._documents
        shared = set(self._where.get(runs[0], ()))
        for run in runs[1:]:
            if not shared:
                break
            shared.intersection_update(self._where.get(run, ()))
        return [self._documents[number] for number in sorted(shared)]


def _runs(words: list[str]) -> list[int]:
    """Return hashes of runs of words, one in four: which, the hash decides, so that equal runs are all in or all out.

    A hash takes less memory than the run; a collision only has one more document looked into.
    """
    runs = (hash(tuple(words[i : i + RUN_WORDS])) for i in range(len(words) - RUN_WORDS + 1))
    return [run for run in runs if run % ONE_IN == 0]
