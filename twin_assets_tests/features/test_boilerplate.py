import random
from collections import Counter

import pytest

from twin_assets.features.blocks import parse_blocks
from twin_assets.features.boilerplate import LEARNT, drop_boilerplate, learn_boilerplate

SIGNATURE = "I write about databases every other Thursday, and you can follow along by feed."
BOX = f"{SIGNATURE}\n\nUntil then!"


def own(seed: int, words: int = 60) -> str:
    rng = random.Random(seed)  # noqa: S311  # no secret is made here
    return " ".join(f"w{rng.choice('bcdfgh')}{rng.randrange(99999):x}x" for _ in range(words)) + "."


@pytest.fixture
def clean():
    def run(texts: list[str]) -> list[str]:
        parsed = [parse_blocks(text) for text in texts]
        learnt = learn_boilerplate(parsed)
        kept: set[str] = set()
        dropped: Counter[str] = Counter()
        results = [drop_boilerplate(blocks, learnt, kept, dropped) for blocks in parsed]
        run.dropped = dropped
        return ["\n\n".join(block.text for block in blocks) for blocks in results]

    return run


def test_a_signature_in_every_document_goes_with_its_short_last_line(clean):
    texts = [own(seed) for seed in range(4)]

    assert clean([f"{text}\n\n{BOX}" for text in texts]) == texts
    assert clean.dropped == {LEARNT: 4 * (len(SIGNATURE) + len("Until then!"))}


def test_two_documents_may_quote_each_other(clean):
    texts = [f"{own(0)}\n\n{BOX}", f"{own(1)}\n\n{BOX}", own(2)]

    assert clean(texts) == texts


def test_in_a_large_collection_three_documents_are_no_tenth(clean):
    texts = [f"{own(seed)}\n\n{SIGNATURE}" if seed < 3 else own(seed) for seed in range(40)]

    assert clean(texts) == texts


def test_headings_of_every_article_stay(clean):
    texts = [
        f"## Introduction\n\n{own(seed)}\n\n## References\n\n- {own(seed + 100, 6)}\n\n## Conclusion\n\n{own(seed + 9)}"
        for seed in range(5)
    ]

    assert clean(texts) == texts


def test_a_heading_goes_when_all_that_stood_under_it_has_gone(clean):
    texts = [f"# Title {seed}\n\n{own(seed)}" for seed in range(4)]

    assert clean([f"{text}\n\n## Stay in touch\n\n{SIGNATURE}" for text in texts]) == texts


def test_a_short_line_that_repeats_is_a_manner_of_writing(clean):
    texts = [f"{own(seed)}\n\nLet's get to it.\n\n{own(seed + 50)}" for seed in range(5)]

    assert clean(texts) == texts


def test_code_and_a_line_of_it_are_never_learnt(clean):
    code = "```python\nimport os, sys, json, this, that, one, two, three\n```"
    texts = [f"{own(seed)}\n\n{code}" for seed in range(5)]

    assert clean(texts) == texts


def test_an_article_that_is_published_four_times_is_not_its_own_boilerplate(clean):
    texts = ["\n\n".join(own(seed) for seed in range(5))] * 4

    assert clean(texts) == texts


def test_numbers_case_and_marks_do_not_hide_a_repetition(clean):
    texts = [own(seed) for seed in range(4)]
    boxes = [f"*This is lesson {seed} of the 12 in my free course on queues*" for seed in range(3)]
    boxes.append("THIS IS LESSON 7 OF THE 12 IN MY FREE COURSE ON QUEUES!")

    assert clean([f"{box}\n\n{text}" for box, text in zip(boxes, texts, strict=True)]) == texts


def test_a_line_of_a_post_goes_and_the_rest_of_its_paragraph_stays(clean):
    texts = [f"{own(seed)}\nAnother line {own(seed + 9, 3)}" for seed in range(4)]

    assert clean([f"{text}\n{SIGNATURE}" for text in texts]) == texts


def test_a_long_passage_that_is_reused_is_told_once(clean):
    passage = "\n\n".join(own(seed, 80) for seed in (900, 901, 902))
    texts = [f"{own(seed, 300)}\n\n{passage}" for seed in range(4)]
    first, *others = clean(texts)

    assert first == texts[0]
    assert others == [own(seed, 300) for seed in range(1, 4)]


def test_what_is_learnt_does_not_depend_on_the_order():
    parsed = [parse_blocks(f"{own(seed)}\n\n{BOX}") for seed in range(6)]

    assert learn_boilerplate(parsed) == learn_boilerplate(parsed[::-1])
    assert learn_boilerplate(parsed)
