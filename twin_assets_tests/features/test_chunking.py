import random
from itertools import pairwise

import pytest

from twin_assets.documents import chunk_id_for
from twin_assets.features.chunking import MAX_TOKENS, build_splitter, chunk_document
from twin_assets.features.coverage import coverage
from twin_assets.features.sections import find_headings


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
