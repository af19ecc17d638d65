"""Boilerplate learnt by repetition: a signature or a newsletter box that stands in many documents of one platform.

The rules in `furniture` know what sites write; what an author pastes under every post only repetition can tell. A
template shows itself by standing on many pages that otherwise differ (Bar-Yossef and Rajagopalan, 2002, "Template
detection via data mining and its applications"). Texts are compared as CCNet does (Wenzek et al., 2020): lower case,
digits made equal, punctuation gone.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from twin_assets.features.blocks import Block
from twin_assets.features.inline import shown

LEARNT = "repeated boilerplate"

MIN_DOCUMENTS = 3
"""A text that stands in fewer documents of a platform is never boilerplate: two may quote each other."""

MIN_SHARE = 0.1
"""Share of a platform's documents in which boilerplate stands; in a large collection three may happen by chance."""

MIN_WORDS = 8
"""A shorter line that repeats is a manner of writing ("Let's get to it."), which the twin is to learn.

It goes only beside a longer one, as the last line of a signature does. Headings ("Introduction", "References") go only
where all that stood under them has gone.
"""

PASSAGE_WORDS = 200
"""A longer run of repeated lines is no box but a passage that the author reuses, such as what a course is about.

It is told once: the first document that has it keeps it. In the articles of the LLM Engineer's Handbook the signature
with all its offers has up to 119 words, the description of a course 583 and more.
"""

OWN_SHARE = 0.5
"""Share of a document's words that stand nowhere else, from which it bears witness.

Without this an article that is published three times would teach that all of it is boilerplate.
"""

_NOT_LEARNT = frozenset({"code", "heading", "rule"})


def learn_boilerplate(documents: Sequence[Sequence[Block]]) -> frozenset[str]:
    """Return the keys of the texts that repeat across the documents of one platform, long and short ones.

    A text is learnt if it stands in at least `MIN_DOCUMENTS` documents, and `MIN_SHARE` of all, that bear witness: most
    of their words stand nowhere else. The order of the documents does not matter.

    Args:
        documents: The blocks of each document.
    """
    needed = max(MIN_DOCUMENTS, MIN_SHARE * len(documents))
    keyed = [Counter({key: len(key.split()) for key in _keys(blocks)}) for blocks in documents]
    frequency = Counter(key for words in keyed for key in words)
    repeated = {key for key, count in frequency.items() if count >= needed}
    witnesses: defaultdict[str, int] = defaultdict(int)
    for words in keyed:
        own = sum(count for key, count in words.items() if key not in repeated)
        if own >= OWN_SHARE * words.total():
            for key in repeated & words.keys():
                witnesses[key] += 1
    return frozenset(key for key, count in witnesses.items() if count >= needed)


def drop_boilerplate(
    blocks: Sequence[Block], learnt: frozenset[str], kept_passages: set[str], dropped: Counter[str]
) -> list[Block]:
    """Return the blocks without what was learnt.

    Args:
        blocks: The blocks of one document.
        learnt: What `learn_boilerplate` returned for the document's platform.
        kept_passages: Keys of the reused passages that an earlier document keeps; those that this one keeps are added.
        dropped: Characters removed are counted here.
    """
    lines = [(place, line) for place, block in enumerate(blocks) for line in _units(block)]
    keys = [_key(line) if blocks[place].kind not in _NOT_LEARNT else "" for place, line in lines]
    gone = _gone(keys, learnt)
    for passage in _passages(keys, gone):
        first_told = [number for number in passage if keys[number] not in kept_passages]
        gone.difference_update(first_told)
        kept_passages.update(keys[number] for number in first_told)
    left: defaultdict[int, list[str]] = defaultdict(list)
    for number, (place, line) in enumerate(lines):
        if number not in gone:
            left[place].append(line)
    kept: list[tuple[int, Block]] = []
    for place, block in enumerate(blocks):
        text = "\n".join(left[place])
        dropped[LEARNT] += len(block.text) - len(text)
        if text:
            kept.append((place, Block(block.kind, text, block.level)))
    return _without_bare_headings(blocks, kept, dropped)


def _gone(keys: Sequence[str], learnt: frozenset[str]) -> set[int]:
    """Return the places that go: long texts that were learnt, and short ones in an unbroken row with them."""
    gone: set[int] = set()
    row: list[int] = []
    for place in range(len(keys) + 1):
        if place < len(keys) and keys[place] in learnt:
            row.append(place)
            continue
        if any(len(keys[member].split()) >= MIN_WORDS for member in row):
            gone.update(row)
        row = []
    return gone


def _passages(keys: Sequence[str], gone: set[int]) -> list[list[int]]:
    """Return the runs of places to go that are too long for a box; headings and code between them do not count."""
    runs: list[list[int]] = [[]]
    for place, key in enumerate(keys):
        if place in gone:
            runs[-1].append(place)
        elif key:
            runs.append([])
    return [run for run in runs if sum(len(keys[place].split()) for place in run) >= PASSAGE_WORDS]


def _without_bare_headings(
    blocks: Sequence[Block], kept: Sequence[tuple[int, Block]], dropped: Counter[str]
) -> list[Block]:
    """Drop the headings under which something stood, and nothing is left before the next heading of their level."""
    standing = {place for place, _ in kept}
    result = []
    for place, block in kept:
        section = _section(blocks, place) if block.kind == "heading" else range(0)
        if section and standing.isdisjoint(section):
            dropped[LEARNT] += len(block.text)
        else:
            result.append(block)
    return result


def _section(blocks: Sequence[Block], heading: int) -> range:
    end = heading + 1
    while end < len(blocks) and not 0 < blocks[end].level <= blocks[heading].level:
        end += 1
    return range(heading + 1, end)


def _keys(blocks: Sequence[Block]) -> set[str]:
    lines = (line for block in blocks if block.kind not in _NOT_LEARNT for line in _units(block))
    return {key for line in lines if (key := _key(line))}


def _units(block: Block) -> list[str]:
    """Return what repeats as a whole: each line of a paragraph, for a post is one paragraph; any other block whole."""
    return block.text.split("\n") if block.kind == "paragraph" else [block.text]


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", re.sub(r"\d", "0", shown(text).casefold())))
