import random
from itertools import pairwise

import pytest

from twin_assets.documents import chunk_id_for
from twin_assets.features.chunking import MAX_TOKENS, build_splitter, chunk_document
from twin_assets.features.coverage import coverage
from twin_assets.features.sections import find_headings, nested_sections


def sentence(seed: int, words: int = 12) -> str:
    rng = random.Random(seed)  # noqa: S311  # no secret is made here
    vocabulary = ["queue", "loan", "rate", "backlog", "worker", "deploy", "alert", "table", "lock", "café", "🔥"]
    return " ".join(rng.choice(vocabulary) for _ in range(words)).capitalize() + "."


def prose(seed: int, sentences: int) -> str:
    return " ".join(sentence(100 * seed + i) for i in range(sentences))


ARTICLE = "\n\n".join(
    [
        "# Queues",
        prose(1, 3),
        "## Interest",
        prose(2, 30),
        "- " + "\n- ".join(sentence(i) for i in range(300, 340)),
        "### In numbers",
        "```python\n# not a heading\n" + "\n".join(f"jobs[{i}] = take(queue, limit={i})" for i in range(60)) + "\n```",
        "## Over",
        prose(4, 2),
    ]
)


def test_a_passage_is_verbatim_at_its_offsets_even_behind_emoji_and_accents(cleaned, splitter):
    for chunk in chunk_document(cleaned(ARTICLE), splitter):
        assert ARTICLE[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip() == chunk.text.strip("\n")


def test_no_passage_exceeds_the_limit_and_the_count_is_that_of_the_model(cleaned, splitter, tokenizer_file):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    chunks = chunk_document(cleaned(ARTICLE), splitter)

    assert [chunk.n_tokens for chunk in chunks] == [len(tokenizer.encode(chunk.text).ids) for chunk in chunks]
    assert max(chunk.n_tokens for chunk in chunks) <= MAX_TOKENS


@pytest.mark.parametrize("max_tokens", [32, 100, 256])
def test_every_limit_is_kept_and_nothing_is_lost(max_tokens, cleaned, tokenizer_file):
    chunks = chunk_document(cleaned(ARTICLE), build_splitter(tokenizer_file, max_tokens=max_tokens))

    assert max(chunk.n_tokens for chunk in chunks) <= max_tokens
    assert coverage(ARTICLE, chunks) == 1.0


def test_passages_do_not_overlap_and_are_numbered_in_order(cleaned, splitter):
    chunks = chunk_document(cleaned(ARTICLE), splitter)

    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert all(one.end <= other.start for one, other in pairwise(chunks))


def test_headings_are_those_above_a_passage_outermost_first(cleaned, splitter):
    chunks = chunk_document(cleaned(ARTICLE), splitter)
    by_start = {chunk.text.split("\n")[0]: chunk.headings for chunk in chunks}

    assert by_start["# Queues"] == ["Queues"]
    assert by_start["### In numbers"] == ["Queues", "Interest", "In numbers"]
    assert by_start["## Over"] == ["Queues", "Over"]
    assert all(chunk.headings == ["Queues", "Interest"] for chunk in chunks if chunk.text.startswith("- "))


def test_a_comment_in_code_is_no_heading():
    headings = find_headings("# A\n\n```\n# no\n```\n\n> # quoted\n\n    # indented\n\nB\n---\n\n## *C* #\n")

    assert [(heading.level, heading.words) for heading in headings] == [(1, "A"), (2, "B"), (2, "C")]


def test_a_section_ends_with_the_next_heading_of_its_level_or_above():
    text = "# A\n\n## B\n\n### C\n\n## D\n\n# E\n\nend"
    found = [text[start:end].split() for start, end in nested_sections(text, find_headings(text))]

    assert [" ".join(words).replace("#", "").split() for words in found] == [
        ["A", "B", "C", "D"],
        ["B", "C"],
        ["C"],
        ["D"],
        ["E", "end"],
    ]


def test_offsets_of_headings_survive_windows_line_ends_and_lone_carriage_returns():
    text = "a\rb\r\n\r\n# One\r\n\r\nc"

    assert [text[heading.start :][:5] for heading in find_headings(text)] == ["# One"]


def test_a_heading_is_never_a_passage_of_its_own(cleaned, splitter):
    text = "\n\n".join(
        f"## Section {i}\n\n{prose(i, 9)}\n\n### Deeper\n\n#### Deepest\n\n{prose(i, 20)}" for i in range(5)
    )
    chunks = chunk_document(cleaned(text), splitter)

    assert all(any(line and not line.startswith("#") for line in chunk.text.split("\n")) for chunk in chunks)
    assert not any(chunk.text.split("\n")[-1].startswith("#") for chunk in chunks)


def test_a_heading_above_a_paragraph_that_fills_the_limit_keeps_its_first_sentences(cleaned, splitter):
    paragraph = next(prose(7, n) for n in range(20, 1, -1) if splitter.count([prose(7, n)])[0] <= MAX_TOKENS)
    chunks = chunk_document(cleaned(f"## A heading of a few words\n\n{paragraph}"), splitter)

    assert len(chunks) == 2
    assert len(chunks[0].text.split("\n\n")[1].split()) > 10


def test_small_remnants_are_joined(cleaned, splitter):
    assert min(chunk.n_tokens for chunk in chunk_document(cleaned(ARTICLE), splitter)) >= 24


def test_a_small_document_is_one_passage(cleaned, splitter):
    (chunk,) = chunk_document(cleaned("Ship it."), splitter)

    assert (chunk.start, chunk.end, chunk.headings, chunk.n_tokens) == (0, 8, [], 5)


def test_an_edit_at_the_top_leaves_the_ids_further_down_alone(cleaned, splitter):
    before = chunk_document(cleaned(ARTICLE), splitter)
    after = chunk_document(cleaned(ARTICLE.replace("# Queues\n\n", "# Queues\n\nA new beginning. ", 1)), splitter)
    untouched = {chunk.chunk_id for chunk in before if chunk.headings[1:]}

    assert untouched <= {chunk.chunk_id for chunk in after}
    assert len(untouched) > 5


def test_equal_passages_of_one_document_have_different_ids(cleaned, splitter):
    block = f"## Same\n\n{prose(5, 6)}"
    chunks = chunk_document(cleaned(f"{block}\n\n{block}"), splitter)
    same = [chunk for chunk in chunks if chunk.text == chunks[0].text]

    assert [chunk.chunk_id for chunk in same] == [chunk_id_for("doc-1", chunks[0].text, i) for i in range(len(same))]
    assert len(same) == 2


def test_what_the_tokenizer_takes_for_one_unknown_word_is_bounded_in_characters(cleaned, splitter):
    text = "x" * 50_000
    chunks = chunk_document(cleaned(text), splitter)

    assert max(len(chunk.text) for chunk in chunks) <= 16 * MAX_TOKENS
    assert coverage(text, chunks) == 1.0


def test_a_missing_tokenizer_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="embedding model"):
        build_splitter(tmp_path / "tokenizer.json")


def test_a_limit_without_room_is_refused(tokenizer_file):
    with pytest.raises(ValueError, match="no room"):
        build_splitter(tokenizer_file, max_tokens=2)


def fitting(splitter, make, limit=110):
    """Return the longest of the texts that `make` gives for 1, 2, ... that has at most `limit` tokens."""
    return next(make(n) for n in range(60, 0, -1) if splitter.count([make(n)])[0] <= limit)


@pytest.mark.parametrize("above", ["", "## In code", "A sentence that leads to it, with a colon at its end:"])
def test_code_and_tables_that_fit_with_what_leads_to_them_stay_in_one_piece(cleaned, splitter, above):
    code = fitting(splitter, lambda n: "```python\n" + "\n".join(f"a{i} = {i}" for i in range(n)) + "\n```")
    table = fitting(splitter, lambda n: "| k | v |\n|---|---|\n" + "\n".join(f"| {i} | {i} |" for i in range(n)))
    for block in (code, table):
        text = "\n\n".join(part for part in (prose(1, 9), above, block, prose(2, 9)) if part)
        chunks = chunk_document(cleaned(text), splitter)
        assert sum(block in chunk.text for chunk in chunks) == 1


def test_a_code_block_over_the_limit_is_cut_between_its_lines(cleaned, splitter):
    lines = [f"jobs[{i}] = take(queue, limit={i})" for i in range(80)]
    chunks = chunk_document(cleaned("```python\n" + "\n".join(lines) + "\n```"), splitter)

    assert {line for chunk in chunks for line in chunk.text.split("\n")} == {"```python", *lines, "```"}


def test_a_parent_is_the_section_around_a_passage_and_keeps_its_limit(cleaned, splitter):
    from twin_assets.features.parents import PARENT_TOKENS

    chunks = chunk_document(cleaned(ARTICLE), splitter)
    for chunk in chunks:
        assert chunk.parent_start <= chunk.start
        assert chunk.end <= chunk.parent_end
        assert splitter.count([ARTICLE[chunk.parent_start : chunk.parent_end]])[0] <= PARENT_TOKENS
    last = chunks[-1]
    assert last.headings == ["Queues", "Over"]
    assert ARTICLE[last.parent_start :].startswith("## Over")


def test_a_short_document_is_its_own_parent(cleaned, splitter):
    text = f"# A\n\n{prose(1, 8)}\n\n## B\n\n{prose(2, 8)}"
    chunks = chunk_document(cleaned(text), splitter)

    assert len(chunks) > 1
    assert {(chunk.parent_start, chunk.parent_end) for chunk in chunks} == {(0, len(text))}


@pytest.mark.parametrize("overlap", [16, 32, 64])
def test_with_an_overlap_passages_repeat_the_end_of_the_one_before_within_the_limit(cleaned, tokenizer_file, overlap):
    splitter = build_splitter(tokenizer_file, overlap_tokens=overlap)
    chunks = chunk_document(cleaned(ARTICLE), splitter)
    repeated = [(one, other) for one, other in pairwise(chunks) if one.end > other.start]

    assert len(repeated) > 5
    assert max(chunk.n_tokens for chunk in chunks) <= MAX_TOKENS
    assert coverage(ARTICLE, chunks) == 1.0
    for one, other in repeated:
        assert one.start < other.start
        assert splitter.count([ARTICLE[other.start : one.end]])[0] - splitter.special_tokens <= overlap
    assert all(ARTICLE[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert all(ARTICLE[chunk.start - 1].isspace() for chunk in chunks if chunk.start)


def test_an_overlap_never_reaches_over_a_heading(cleaned, tokenizer_file):
    chunks = chunk_document(cleaned(ARTICLE), build_splitter(tokenizer_file, overlap_tokens=32))

    assert [chunk.headings for chunk in chunks if chunk.text.startswith("## Over")] == [["Queues", "Over"]]
    for heading in find_headings(ARTICLE):
        assert not [
            chunk for chunk in chunks if chunk.start < heading.start < chunk.end and chunk.headings[-1:] == ["Over"]
        ]


def test_an_overlap_that_leaves_no_room_is_refused(tokenizer_file):
    with pytest.raises(ValueError, match="overlap of 30"):
        build_splitter(tokenizer_file, max_tokens=32, overlap_tokens=30)
