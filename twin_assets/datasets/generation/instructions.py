"""Instructions: for a passage, what a person would have typed to get it.

The templates lie in `templates.yaml`. What fills them comes from the passage and its document (title, heading,
keyphrases); no model is asked, so the same passage is always asked for in the same words.
"""

import re
import string
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import NamedTuple

import yaml

from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.datasets.extraction.keyphrases import keyphrases
from twin_assets.datasets.extraction.passages import Passage
from twin_assets.datasets.extraction.wording import Heading, heading_of, purpose_of, tidy
from twin_assets.documents import CleanedDocument, content_hash
from twin_assets.evaluation.prose import sentence_spans

GENERATOR = "extractive@2"
"""What wrote an instruction. The number is raised with every change of the templates or of what fills them."""

LONGEST_SHARED_RUN = 8
"""An instruction that repeats this many words of the answer in a row would give the answer away."""
MAX_INSTRUCTION_WORDS = 60
MAX_WORDS_TO_CONTINUE = 45
"""Words of the text that an instruction asks to be continued; where there are more, its last sentences."""

UNNATURAL = re.compile(
    r"\b(?:the|this|given|provided) (?:text|extract|excerpt|passage|author|context|snippet|document)\b", re.IGNORECASE
)
"""What nobody asks who does not have the passage in front of them."""

_N_POINTS = 5
_NETWORKS = {
    "bluesky": "Bluesky",
    "facebook": "Facebook",
    "linkedin": "LinkedIn",
    "mastodon": "Mastodon",
    "medium": "Medium",
    "reddit": "Reddit",
    "substack": "Substack",
    "threads": "Threads",
    "twitter": "Twitter",
    "x": "X",
}


class Instruction(NamedTuple):
    """An instruction, the hash of the template and the values it was made from, and what kind of request it is."""

    text: str
    prompt_hash: str
    kind: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage stands in its document.

    Attributes:
        document: The document.
        prose: Its running text without headings and code, for the spelling of words.
        first_of_document: Whether it opens the document.
        first_of_section: Whether no passage stands before it under the same heading.
    """

    document: CleanedDocument
    prose: str
    first_of_document: bool
    first_of_section: bool


def write_instruction(passage: Passage, place: Place, *, seed: int, taken: Collection[str]) -> Instruction | None:
    """Return the instruction that asks for a passage.

    A hash of the seed and of the passage puts the templates in order. The first that fits is used; if its words are
    taken, the next, and then the same with other keyphrases.

    Args:
        passage: The answer.
        place: Where it stands.
        seed: Another seed gives other templates.
        taken: Instructions that other passages have, in normal form, see `overlap`.

    Returns:
        The instruction, or None if nothing fits: a passage without heading, title and keyphrases.
    """
    longest = MAX_INSTRUCTION_WORDS + (MAX_WORDS_TO_CONTINUE if passage.before else 0)
    for instruction in _candidates(passage, place, seed):
        text = instruction.text
        if (
            normal_form(text) not in taken
            and not UNNATURAL.search(text)
            and len(text.split()) <= longest
            and (passage.code is not None or not shares_a_run(text, passage.text))
        ):
            return instruction
    return None


def shares_a_run(instruction: str, answer: str) -> bool:
    """Whether an instruction repeats `LONGEST_SHARED_RUN` words of an answer in a row."""
    n = LONGEST_SHARED_RUN
    asked, answered = _words(instruction), _words(answer)
    runs = {tuple(answered[i : i + n]) for i in range(len(answered) - n + 1)}
    return any(tuple(asked[i : i + n]) in runs for i in range(len(asked) - n + 1))


def _candidates(passage: Passage, place: Place, seed: int) -> Iterator[Instruction]:
    """Yield instructions for a passage, the most fitting first."""
    pools = _pools()[passage.category]
    heading, published, is_own = _heading(passage, place)
    slots = _slots(passage, place, heading, published)
    points: list[str] | None = None
    draw = content_hash([seed, passage.text])
    for pool, n_points in _attempts(passage, place, heading, alone=is_own and place.first_of_section, draw=draw):
        if n_points and points is None:
            points = keyphrases(passage.plain, _N_POINTS, language=place.document.language or "en")
        details = _ordered(pools["details"], draw) if n_points and pool != "points" else [""]
        for detail, template in product(details, _ordered(pools[pool], draw)):
            instruction = _filled(pool, template, detail, slots, (points or [], n_points))
            if instruction is not None:
                yield instruction


def _attempts(passage: Passage, place: Place, heading: Heading, *, alone: bool, draw: str) -> list[tuple[str, int]]:
    """Return the pools to draw from and the number of keyphrases to name, the best first.

    What leans on the text above it is asked for as its continuation, and so is one in four of the others that have a
    text above them.
    """
    to_continue = [("continue", 0)] if passage.before else []
    if passage.leans:
        return to_continue
    by_subject = _by_subject(passage, place, heading, alone=alone, draw=draw)
    return [*to_continue, *by_subject] if int(draw[8:16], 16) % 4 == 0 else by_subject


def _by_subject(passage: Passage, place: Place, heading: Heading, *, alone: bool, draw: str) -> list[tuple[str, int]]:
    """Return the pools that name what a passage is about.

    The first passage under a heading answers the heading; the others, and one in three of the first, need keyphrases to
    say what of it they are about.
    """
    if passage.code:
        return [("purpose", 0), (passage.code.kind, 0)]
    plain = [("points", 2), ("points", 3), ("points", 1)]
    if passage.category == "posts" and passage.kind == "post":
        return [("titled", 0), *plain] if int(draw[:8], 16) % 2 else [*plain, ("titled", 0)]
    pool: str = heading.form
    if passage.category == "repositories" and pool not in ("none", "opening", "question"):
        pool = "readme"
    if pool == "none":
        if not place.first_of_document:
            return plain
        pool, alone = "opening", True
    bare, detailed = [(pool, 0)], [(pool, 2), (pool, 1), (pool, 3)]
    needs_points = not alone or int(draw[:8], 16) % 3 == 0
    return [*detailed, *plain, *bare] if needs_points else [*bare, *detailed, *plain]


def _heading(passage: Passage, place: Place) -> tuple[Heading, str, bool]:
    """Return the nearest heading that can be asked for, how it is published, and whether it is right above."""
    title = _title(place.document).lower()
    for distance, raw in enumerate(reversed(passage.headings)):
        heading = heading_of(raw, place.prose)
        if heading.form != "none" and tidy(raw).lower() != title:
            return heading, tidy(raw), distance == 0
    return Heading("none", ""), "", False


def _slots(passage: Passage, place: Place, heading: Heading, published: str) -> dict[str, str]:
    """Return what can be filled into a template; an empty value means that there is none."""
    title = _title(place.document)
    slots: dict[str, str] = {
        heading.form: heading.text,
        "heading": _quotable(published),
        "title": "" if title and title in passage.text else _quotable(title),
        "piece": _piece(passage.text),
        "project": title.rpartition("/")[2],
        "network": _NETWORKS.get(place.document.platform.lower(), ""),
        "before": _to_continue(passage.before or ""),
    }
    if passage.code:
        slots |= {
            "path": passage.code.path,
            "name": passage.code.name,
            "language": passage.code.language,
            "parameters": _listed([f"`{name}`" for name in passage.code.parameters]) or "no arguments",
            "purpose": purpose_of(passage.code.summary),
        }
    return slots


def _filled(
    kind: str, template: str, detail: str, slots: Mapping[str, str], points: tuple[Sequence[str], int]
) -> Instruction | None:
    """Return a template with its slots filled and its detail added, or None if something to fill it with is missing."""
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    values = {name: slots.get(name, "") for name in names if name != "points"}
    if not all(values.values()):
        return None
    found, wanted = points
    frame = template.format(**values, points="")
    fresh = [point for point in found if not _says(frame, point)][:wanted]
    if len(fresh) < wanted:
        return None
    values["points"] = _listed(fresh)
    text = " ".join(filter(None, (template.format(**values), detail.format(**values))))
    made_from = {"generator": GENERATOR, "template": [template, detail], "slots": values}
    return Instruction(text[0].upper() + text[1:], content_hash(made_from), kind)


def _title(document: CleanedDocument) -> str:
    return tidy(document.title)


def _quotable(text: str) -> str:
    """Return a text that can stand between double quotation marks."""
    return re.sub('["\u201c\u201d]', "'", text)


def _piece(text: str) -> str:
    parts = text.split("\n\n")
    if "```" in text or len(parts) > 3 or re.search(r"^\s*(?:[-*+]|\d+[.)]) ", text, re.MULTILINE):
        return "a short section"
    return "a paragraph" if len(parts) == 1 else "a few paragraphs"


def _to_continue(text: str) -> str:
    """Return a text that can be continued, from the beginning of one of its last sentences on if it is long.

    Code and lists are not cut: if they are long there is nothing to continue.
    """
    whole = "\n" in text
    starts = [0] if whole else [start for start, _ in sentence_spans(text)]
    fitting = [start for start in starts if len(text[start:].split()) <= MAX_WORDS_TO_CONTINUE]
    return text[fitting[0] :] if fitting else ""


def _listed(items: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def _says(frame: str, point: str) -> bool:
    """Whether every word of a keyphrase stands in a frame already, in one form or another."""
    said = {word.rstrip("s") for word in _words(frame)}
    return all(word.rstrip("s") in said for word in _words(point))


def _words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text.lower())


def _ordered(templates: Collection[str], draw: str) -> list[str]:
    return sorted(templates, key=lambda template: content_hash([draw, template]))


@cache
def _pools() -> dict[str, dict[str, list[str]]]:
    """Return the templates by category and pool."""
    text = files("twin_assets.datasets.generation").joinpath("templates.yaml").read_text(encoding="utf-8")
    pools: dict[str, dict[str, list[str]]] = yaml.safe_load(text)
    # A post too long to be asked for whole is asked for as an article is.
    pools["posts"] = pools["articles"] | pools["posts"]
    pools["repositories"]["continue"] = pools["articles"]["continue"]
    return pools
