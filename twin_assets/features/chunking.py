"""Chunking: a cleaned document becomes passages that the embedding model can read whole.

A passage is verbatim text between two offsets. Where it is cut is decided by `semantic_text_splitter` (headings,
paragraphs, list items, sentences, words); here stand the sections it works on, the joining of what is too small to mean
anything alone, and the headings above each passage.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from twin_assets.documents import Chunk, CleanedDocument, chunk_id_for
from twin_assets.features.inline import shown

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

MIN_TOKENS = 24
"""A passage of fewer tokens is joined to a neighbour where the limit allows: alone it says too little to be found."""

MAX_CHARACTERS_PER_TOKEN = 16
"""A tokenizer may call any run of letters one unknown token, however long; a passage is bounded in characters as well.

The articles measured above have four characters a token.
"""

Span = tuple[int, int]


@dataclass(frozen=True)
class Heading:
    """One heading of a document: where it begins and ends, its level (1 to 6) and its words."""

    start: int
    end: int
    level: int
    words: str


@dataclass(frozen=True)
class PassageSplitter:
    """A tokenizer, and how many of its tokens a passage may have, special tokens included. Build one, use it often."""

    tokenizer: "Tokenizer"
    max_tokens: int

    @property
    def max_characters(self) -> int:
        """Characters in a passage at most."""
        return self.max_tokens * MAX_CHARACTERS_PER_TOKEN

    @cached_property
    def special_tokens(self) -> int:
        """Number of tokens that the model adds to every passage, such as [CLS] and [SEP]."""
        return int(self.tokenizer.num_special_tokens_to_add(is_pair=False))

    @cached_property
    def by_structure(self) -> "MarkdownSplitter":
        """Splits at Markdown structure."""
        from semantic_text_splitter import MarkdownSplitter

        return MarkdownSplitter.from_huggingface_tokenizer(self.tokenizer, self.max_tokens - self.special_tokens)

    @cached_property
    def by_sentence(self) -> "TextSplitter":
        """Splits at lines, sentences and words, into pieces of little more than half the limit."""
        from semantic_text_splitter import TextSplitter

        return TextSplitter.from_huggingface_tokenizer(self.tokenizer, int(0.6 * self.max_tokens) - self.special_tokens)

    @cached_property
    def by_length(self) -> "TextSplitter":
        """Splits what the tokenizer takes for few tokens, but no reader does."""
        from semantic_text_splitter import TextSplitter

        return TextSplitter(self.max_characters)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special tokens included."""
        return [len(encoding.ids) for encoding in self.tokenizer.encode_batch(list(texts))]


def build_splitter(tokenizer_file: Path, *, max_tokens: int = MAX_TOKENS) -> PassageSplitter:
    """Return a splitter for the tokenizer in a `tokenizer.json`.

    Args:
        tokenizer_file: The embedding model's own tokenizer. Truncation and padding that it asks for are switched off,
            or every count would be wrong.
        max_tokens: Tokens in a passage, special tokens included.

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
    splitter = PassageSplitter(tokenizer, max_tokens)
    if max_tokens <= splitter.special_tokens:
        raise ValueError(
            f"max_tokens={max_tokens} leaves no room: the model adds {splitter.special_tokens} tokens of its own."
        )
    return splitter


def chunk_document(document: CleanedDocument, splitter: PassageSplitter) -> list[Chunk]:
    """Split one document into passages.

    A passage never crosses into a section that has text of its own unless one of the two would be too small to stand
    alone, and a heading stays with what follows it. Passages do not overlap, and together they hold every visible
    character.

    Returns:
        The passages in order, each within the splitter's limit, with the headings it stands under (its own first line
        included, if that is a heading).
    """
    text = document.text
    headings = find_headings(text)
    spans = [span for section in sections(text, headings) for span in _split(text, section, splitter)]
    spans = join_small(text, spans, headings, splitter)
    passages = [text[start:end] for start, end in spans]
    counts = splitter.count(passages)
    paths = heading_paths(text, spans, headings)
    seen: Counter[str] = Counter()
    chunks = []
    for position, ((start, end), passage, n_tokens, path) in enumerate(
        zip(spans, passages, counts, paths, strict=True)
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
            )
        )
        seen[passage] += 1
    return chunks


def find_headings(text: str) -> list[Heading]:
    """Return the headings of a Markdown text in order; what looks like one inside code, a quote or a list is none."""
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    offsets = [0]
    for line in text.split("\n"):
        offsets.append(offsets[-1] + len(line) + 1)
    found = []
    # A lone carriage return would be a line break to the parser, and none to us; a space keeps the offsets.
    for token, inline in pairwise(parser.parse(text.replace("\r", " "))):
        if token.type == "heading_open" and token.level == 0 and token.map:
            start, end = offsets[token.map[0]], min(offsets[token.map[1]], len(text))
            indent = len(text[start:end]) - len(text[start:end].lstrip())
            found.append(Heading(start + indent, end, int(token.tag[1]), shown(inline.content)))
    return found


def sections(text: str, headings: Sequence[Heading]) -> list[Span]:
    """Cut a text in front of each heading that has text above it; headings that follow each other stay together.

    Working section by section keeps passages from crossing a heading, and is three times as fast: the splitter counts
    the tokens of every structure it might keep whole, and a document is the largest of them.
    """
    cuts = [0]
    body_from = 0
    for heading in headings:
        if text[body_from : heading.start].strip():
            cuts.append(heading.start)
        body_from = heading.end
    return [(start, end) for start, end in pairwise([*cuts, len(text)]) if text[start:end].strip()]


def join_small(text: str, spans: Sequence[Span], headings: Sequence[Heading], splitter: PassageSplitter) -> list[Span]:
    """Join passages that are too small to stand alone with a neighbour.

    A lone heading goes with what follows, any other remnant (the last line of a paragraph, the closing fence of a code
    block) with what precedes it. Where the two do not fit together, both are cut anew into two that share the text.
    """
    sizes = dict(zip(spans, splitter.count([text[start:end] for start, end in spans]), strict=True))
    opens = {heading.start for heading in headings}
    result = list(spans[:1])
    for span in spans[1:]:
        before = result[-1]
        lone_heading = not text[_leading_headings_end(text, before, headings) : before[1]].strip()
        remnant = sizes[span] < MIN_TOKENS and (span[0] not in opens or span == spans[-1])
        opening = lone_heading or sizes[before] < MIN_TOKENS
        if opening or remnant:
            joined = _joined(text, before, span, splitter, opening=opening)
            sizes.update(zip(joined, splitter.count([text[start:end] for start, end in joined]), strict=True))
            result[-1:] = joined
        else:
            result.append(span)
    return result


def heading_paths(text: str, spans: Sequence[Span], headings: Sequence[Heading]) -> list[list[str]]:
    """Return for each span the headings it stands under, outermost first.

    Headings that open a span count; those further down stand above its later text only.
    """
    paths = []
    stack: list[Heading] = []
    position = 0
    for start, end in spans:
        body_from = _leading_headings_end(text, (start, end), headings)
        reached = max(start, body_from)
        path: list[str] | None = None
        while position < len(headings) and headings[position].start < end:
            if headings[position].start >= reached and path is None:
                path = [heading.words for heading in stack if heading.words]
            stack = [above for above in stack if above.level < headings[position].level] + [headings[position]]
            position += 1
        paths.append(path if path is not None else [heading.words for heading in stack if heading.words])
    return paths


def _split(text: str, section: Span, splitter: PassageSplitter) -> Iterator[Span]:
    start, end = section
    for offset, passage in splitter.by_structure.chunk_indices(text[start:end]):
        if len(passage) <= splitter.max_characters:
            yield start + offset, start + offset + len(passage)
            continue
        for inner, piece in splitter.by_length.chunk_indices(passage):
            yield start + offset + inner, start + offset + inner + len(piece)


def _leading_headings_end(text: str, span: Span, headings: Sequence[Heading]) -> int:
    """Return where the headings that open a span end: its start, if it opens with anything else."""
    start, end = span
    reached = start
    for place in range(bisect_left(headings, start, key=lambda heading: heading.start), len(headings)):
        if headings[place].start >= end or text[reached : headings[place].start].strip():
            break
        reached = min(headings[place].end, end)
    return reached


def _joined(text: str, before: Span, span: Span, splitter: PassageSplitter, *, opening: bool) -> list[Span]:
    start, end = before[0], span[1]
    whole = text[start:end]
    if len(whole) > splitter.max_characters:
        return [before, span]
    if splitter.count([whole])[0] <= splitter.max_tokens:
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
        if splitter.count([text[last[0] : result[0][1]]])[0] <= splitter.max_tokens:
            result[0] = (last[0], result[0][1])
        else:
            result.insert(0, last)
    sizes = splitter.count([text[first:stop] for first, stop in result])
    return result if min(sizes) >= MIN_TOKENS else [before, span]
