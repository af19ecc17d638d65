"""Chunking: a cleaned document becomes passages that the embedding model can read whole.

A passage is verbatim text between two offsets. Where it is cut is decided by `semantic_text_splitter` (headings,
paragraphs, list items, sentences, words), section by section (`sections`); here stand the joining of what is too small
to mean anything alone, and the overlap. A code block or a table that fits the limit together with the heading right
above it stays in one piece.
"""

import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from twin_assets.documents import Chunk, CleanedDocument, chunk_id_for
from twin_assets.features.parents import parent_spans
from twin_assets.features.sections import (
    Heading,
    Span,
    find_headings,
    heading_paths,
    leading_headings_end,
    nested_sections,
    sections,
)

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter
    from tokenizers import Tokenizer

MAX_TOKENS = 128
"""Tokens in a passage, special tokens included.

all-MiniLM-L6-v2 reads 256, but was trained on 128 (its `tokenizer.json` truncates there), and finds short passages
better. Measured on the 76 articles of the LLM Engineer's Handbook: share of 560 sentences (eight a document) whose
passage is among the five nearest, by limit: 96: 0.81, 128: 0.80, 160: 0.79, 200: 0.75, 240: 0.74. Below 128 sentences
begin to be cut in two and nothing more is won. The Handbook's own chunks reach 0.54 on a like sample. A title in front
of the embedded text costs seven points (0.74 at 128).
"""

_GAP = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?:[.!?…][\"'\u2019\u201d)*_]*\s+|\n\s*)$")

MIN_TOKENS = 24
"""A passage of fewer tokens is joined to a neighbour where the limit allows: alone it says too little to be found."""

MAX_CHARACTERS_PER_TOKEN = 16
"""A tokenizer may call any run of letters one unknown token, however long; a passage is bounded in characters as well.

The articles measured above have four characters a token.
"""

MAX_OVERLAP_TOKENS = MAX_TOKENS // 2
"""A passage that repeats more than this says little of its own."""


@dataclass(frozen=True)
class PassageSplitter:
    """A tokenizer, and how many of its tokens a passage may have, special tokens included. Build one, use it often.

    With an overlap, a passage repeats at most so many tokens of the one before it, within the same limit.
    """

    tokenizer: "Tokenizer"
    max_tokens: int
    overlap_tokens: int = 0

    @property
    def own_tokens(self) -> int:
        """Tokens in a passage at most before it repeats the end of the one before it."""
        return self.max_tokens - self.overlap_tokens

    @property
    def max_characters(self) -> int:
        """Characters in a passage at most."""
        return self.own_tokens * MAX_CHARACTERS_PER_TOKEN

    @cached_property
    def special_tokens(self) -> int:
        """Number of tokens that the model adds to every passage, such as [CLS] and [SEP]."""
        return int(self.tokenizer.num_special_tokens_to_add(is_pair=False))

    @cached_property
    def by_structure(self) -> "MarkdownSplitter":
        """Splits at Markdown structure."""
        from semantic_text_splitter import MarkdownSplitter

        return MarkdownSplitter.from_huggingface_tokenizer(self.tokenizer, self.own_tokens - self.special_tokens)

    @cached_property
    def by_sentence(self) -> "TextSplitter":
        """Splits at lines, sentences and words, into pieces of little more than half the limit."""
        from semantic_text_splitter import TextSplitter

        return TextSplitter.from_huggingface_tokenizer(self.tokenizer, int(0.6 * self.own_tokens) - self.special_tokens)

    @cached_property
    def by_length(self) -> "TextSplitter":
        """Splits what the tokenizer takes for few tokens, but no reader does."""
        from semantic_text_splitter import TextSplitter

        return TextSplitter(self.max_characters)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special tokens included."""
        return [len(encoding.ids) for encoding in self.tokenizer.encode_batch(list(texts))]


class SpanCounts:
    """How many tokens the spans of one text have, each counted once: counting is the larger part of the work."""

    def __init__(self, text: str, splitter: PassageSplitter) -> None:
        self._text = text
        self._splitter = splitter
        self._known: dict[Span, int] = {}

    def __call__(self, spans: Sequence[Span]) -> list[int]:
        """Return the number of tokens of each span, special tokens included."""
        unknown = [span for span in spans if span not in self._known]
        if unknown:
            self._known.update(zip(unknown, self._splitter.count([self._text[a:b] for a, b in unknown]), strict=True))
        return [self._known[span] for span in spans]


def build_splitter(tokenizer_file: Path, *, max_tokens: int = MAX_TOKENS, overlap_tokens: int = 0) -> PassageSplitter:
    """Return a splitter for the tokenizer in a `tokenizer.json`.

    Args:
        tokenizer_file: The embedding model's own tokenizer. Truncation and padding that it asks for are switched off,
            or every count would be wrong.
        max_tokens: Tokens in a passage, special tokens included.
        overlap_tokens: How many of them a passage may repeat from the end of the one before it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If `max_tokens` leaves no room beside the special tokens.
    """
    from tokenizers import Tokenizer

    if not Path(tokenizer_file).is_file():
        raise FileNotFoundError(f"{tokenizer_file} does not exist: give the tokenizer.json of the embedding model.")
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    splitter = PassageSplitter(tokenizer, max_tokens, overlap_tokens)
    if max_tokens - overlap_tokens <= splitter.special_tokens:
        raise ValueError(
            f"max_tokens={max_tokens} leaves no room beside an overlap of {overlap_tokens}: the model adds "
            f"{splitter.special_tokens} tokens of its own."
        )
    return splitter


def chunk_documents(documents: Sequence[CleanedDocument], splitter: PassageSplitter) -> list[Chunk]:
    """Split documents into passages, several at a time: splitter and tokenizer are native code, and release the lock.

    Returns:
        The passages of all documents, in the order of the documents.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return [
            chunk for chunks in threads.map(lambda one: chunk_document(one, splitter), documents) for chunk in chunks
        ]


def chunk_document(document: CleanedDocument, splitter: PassageSplitter) -> list[Chunk]:
    """Split one document into passages.

    A passage never crosses into a section that has text of its own unless one of the two would be too small to stand
    alone, and a heading stays with what follows it. Without an overlap in the splitter no two passages share a
    character. Together they hold every visible one.

    Returns:
        The passages in order, each within the splitter's limit, with the headings it stands under (its own first line
        included, if that is a heading).
    """
    text = document.text
    headings = find_headings(text)
    spans = [span for section in sections(text, headings) for span in _split(text, section, splitter)]
    tokens = SpanCounts(text, splitter)
    spans = join_small(text, spans, headings, splitter, tokens)
    paths = heading_paths(text, spans, headings)
    spans = overlapping(text, spans, headings, splitter)
    passages = [text[start:end] for start, end in spans]
    counts = tokens(spans)
    parents = parent_spans(spans, counts, nested_sections(text, headings))
    seen: Counter[str] = Counter()
    chunks = []
    for position, ((start, end), passage, n_tokens, path, parent) in enumerate(
        zip(spans, passages, counts, paths, parents, strict=True)
    ):
        chunks.append(
            Chunk(
                chunk_id=chunk_id_for(document.document_id, passage, seen[passage]),
                document_id=document.document_id,
                author=document.author,
                category=document.category,
                position=position,
                headings=path,
                text=passage,
                start=start,
                end=end,
                n_tokens=n_tokens,
                parent_start=parent[0],
                parent_end=parent[1],
            )
        )
        seen[passage] += 1
    return chunks


def join_small(
    text: str, spans: Sequence[Span], headings: Sequence[Heading], splitter: PassageSplitter, tokens: SpanCounts
) -> list[Span]:
    """Join passages that are too small to stand alone with a neighbour.

    A lone heading goes with what follows, any other remnant (the last line of a paragraph, the closing fence of a code
    block) with what precedes it. Where the two do not fit together, both are cut anew into two that share the text.
    """
    tokens(spans)  # All at once, which is faster than one after the other.
    opens = {heading.start for heading in headings}
    result = list(spans[:1])
    for span in spans[1:]:
        before = result[-1]
        lone_heading = not text[leading_headings_end(text, before, headings) : before[1]].strip()
        [size_before, size] = tokens([before, span])
        remnant = size < MIN_TOKENS and (span[0] not in opens or span == spans[-1])
        opening = lone_heading or size_before < MIN_TOKENS
        if opening or remnant:
            result[-1:] = _joined(text, before, span, splitter, tokens, opening=opening)
        else:
            result.append(span)
    return result


def overlapping(text: str, spans: Sequence[Span], headings: Sequence[Heading], splitter: PassageSplitter) -> list[Span]:
    """Let each passage begin earlier, with the end of the one before it, as far as the splitter's overlap allows.

    The overlap begins with a sentence or a line where one begins in it, else with a word. No passage reaches over a
    heading: what stands above it is about something else.
    """
    if not splitter.overlap_tokens:
        return list(spans)
    starts = [heading.start for heading in headings]
    result = list(spans[:1])
    for before, span in pairwise(spans):
        start = span[0]
        above = bisect_right(starts, start) - 1
        if above < 0 or starts[above] != start:
            reach = max(before[0], headings[above].end) if above >= 0 else before[0]
            encoded = splitter.tokenizer.encode(text[reach:start], add_special_tokens=False)
            first = encoded.offsets[-splitter.overlap_tokens :][:1]
            start = _overlap_start(text, reach + first[0][0] if first else start, span, splitter)
        result.append((start, span[1]))
    return result


def _overlap_start(text: str, earliest: int, span: Span, splitter: PassageSplitter) -> int:
    """Return where a passage begins that may repeat the text from `earliest` on: `span[0]` if nothing fits."""
    words = [match.end() for match in _GAP.finditer(text, max(0, earliest - 1), span[0]) if match.end() >= earliest]
    sentences = [place for place in words if _SENTENCE_END.search(text[max(0, place - 8) : place])]
    for place in [*sentences, *words]:
        if splitter.count([text[place : span[1]]])[0] <= splitter.max_tokens:
            return place
    return span[0]


def _split(text: str, section: Span, splitter: PassageSplitter) -> Iterator[Span]:
    start, end = section
    for offset, passage in splitter.by_structure.chunk_indices(text[start:end]):
        if len(passage) <= splitter.max_characters:
            yield start + offset, start + offset + len(passage)
            continue
        for inner, piece in splitter.by_length.chunk_indices(passage):
            yield start + offset + inner, start + offset + inner + len(piece)


def _joined(
    text: str, before: Span, span: Span, splitter: PassageSplitter, tokens: SpanCounts, *, opening: bool
) -> list[Span]:
    start, end = before[0], span[1]
    whole = text[start:end]
    if len(whole) > splitter.max_characters:
        return [before, span]
    if tokens([(start, end)])[0] <= splitter.own_tokens:
        return [(start, end)]
    if opening:
        # With a space for each line break, the splitter takes the heading for the beginning of the first sentence.
        whole = text[start : span[0]].replace("\n", " ") + text[span[0] : end]
    pieces = [
        (start + offset, start + offset + len(piece)) for offset, piece in splitter.by_sentence.chunk_indices(whole)
    ]
    # Pieces are joined from the end, so that the last one is not the remnant again.
    result = [pieces.pop()]
    while pieces:
        last = pieces.pop()
        if tokens([(last[0], result[0][1])])[0] <= splitter.own_tokens:
            result[0] = (last[0], result[0][1])
        else:
            result.insert(0, last)
    return result if min(tokens(result)) >= MIN_TOKENS else [before, span]
