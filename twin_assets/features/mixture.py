"""What a set of documents is like as a whole: how much of it survived cleaning, how much repeats, in which languages.

Numbers for the checks; what a document is like is decided where it is cleaned.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from twin_assets.documents import CleanedDocument, RawDocument


def shares_lost(raw: Iterable[RawDocument], cleaned: Iterable[CleanedDocument]) -> dict[str, float]:
    """Map each collected document to the share of its words that cleaning dropped; 1.0 if nothing of it is left.

    Words and not characters: link addresses and markup take room in what was collected, and no reader misses them.
    """
    kept = {document.document_id: document.n_words for document in cleaned}
    collected = {document.document_id: _words(document) for document in raw}
    return {name: max(0.0, 1 - kept.get(name, 0) / words) if words else 0.0 for name, words in collected.items()}


def duplicate_share(documents: Sequence[CleanedDocument]) -> float:
    """Return the share of the documents that repeat another one."""
    return sum(document.duplicate_of is not None for document in documents) / len(documents) if documents else 0.0


def main_language(documents: Iterable[CleanedDocument]) -> tuple[str | None, float]:
    """Return the language of most words, and its share of the words whose language is known.

    Returns:
        `(None, 1.0)` if no document's language is known.
    """
    words: Counter[str] = Counter()
    for document in documents:
        if document.language:
            words[document.language] += document.n_words
    if not words.total():
        return None, 1.0
    language = min(words, key=lambda name: (-words[name], name))
    return language, words[language] / words.total()


def _words(document: RawDocument) -> int:
    text = document.text or ""
    if document.media_type == "text/html":
        from bs4 import BeautifulSoup

        soup = BeautifulSoup(text, "html.parser")
        for element in soup(["script", "style"]):
            element.decompose()
        text = soup.get_text(" ")
    return len(text.split()) + sum(len(file.split()) for file in (document.files or {}).values() if "\0" not in file)
