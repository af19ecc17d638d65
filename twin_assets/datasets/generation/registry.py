"""The generators by name, as the settings name them, and what several of them write together."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from twin_assets.asking import OUT_OF_BUDGET
from twin_assets.datasets.generation.contract import Generated, InstructGenerator, Material
from twin_assets.datasets.generation.mixing_weights import Mixed, Row, mix_by_weight, share_out
from twin_assets.datasets.generation.pair_contract import GeneratedPairs, PairGenerator, PairMaterial
from twin_assets.documents import InstructRow, PreferenceRow
from twin_assets.errors import UserError

Generator = TypeVar("Generator")

BRING_THEIR_OWN = frozenset({"import", "feedback"})
"""Generators that bring rows which somebody made: all of them are taken, however few. The others write as many as there
are passages or prompts, and share them in the proportion of their weights."""

FOR_THE_PROPORTION = "left out for the proportion of generators"
"""Why a row is left out that there is no fault with."""


def chosen(
    makers: Mapping[str, Callable[[], Generator]], weights: Mapping[str, float], *, setting: str
) -> dict[str, Generator]:
    """Return the generators that have a weight above 0, by name.

    Args:
        makers: What makes each generator there is.
        weights: Weight by name.
        setting: Name of the setting that holds the weights.

    Raises:
        UserError: If a weight is below 0, no weight is above it, or there is no generator of a name.
    """
    unknown = sorted(weights.keys() - makers.keys())
    if unknown:
        raise UserError(f"{setting} names {', '.join(unknown)}: the generators are {', '.join(makers)}.")
    if not all(weight >= 0 for weight in weights.values()) or not any(weights.values()):
        raise UserError(f"{setting} needs a weight above 0, and none below it.")
    return {name: makers[name]() for name, weight in weights.items() if weight}


def write_instruct(
    material: Material, generators: Mapping[str, InstructGenerator], weights: Mapping[str, float]
) -> Generated:
    """Return the rows of all generators; of those that write, the training side in the proportion of the weights.

    Args:
        material: What they are made from.
        generators: By name.
        weights: Weight by name.
    """
    written = {name: generator.generate(material) for name, generator in generators.items()}
    dropped = sum((generated.dropped for generated in written.values()), Counter[str]())
    rows: dict[str, list[InstructRow]] = {name: generated.rows for name, generated in written.items()}
    mixed = _mixed(rows, weights, material.seed, whole=_unfinished(written))
    dropped[FOR_THE_PROPORTION] += mixed.dropped.total()
    return Generated(mixed.rows, +dropped)


def write_pairs(
    material: Callable[[list[InstructRow]], PairMaterial],
    generators: Mapping[str, PairGenerator],
    rows: list[InstructRow],
    weights: Mapping[str, float],
    seed: int,
) -> GeneratedPairs:
    """Return the pairs of all generators; of those that write, the training side in the proportion of the weights.

    Each instruct row goes to one of those that write for a prompt, or each would pay for a text to the same one.

    Args:
        material: Returns the material for the rows that a generator works on.
        generators: By name.
        rows: All instruct rows of the author.
        weights: Weight by name.
        seed: Draws which row goes to which generator.
    """
    asking = {name: weights[name] for name in generators if name not in BRING_THEIR_OWN}
    shares = share_out(rows, asking, seed) if asking else {}
    written = {name: generator.generate(material(shares.get(name, rows))) for name, generator in generators.items()}
    pairs: dict[str, list[PreferenceRow]] = {name: generated.rows for name, generated in written.items()}
    mixed = _mixed(pairs, weights, seed, whole=_unfinished(written))
    dropped = sum((generated.dropped for generated in written.values()), Counter[str]())
    dropped[FOR_THE_PROPORTION] += mixed.dropped.total()
    return GeneratedPairs(
        rows=mixed.rows,
        dropped=+dropped,
        generated=sum(generated.generated for generated in written.values()),
        reused=sum(generated.reused for generated in written.values()),
        cost=sum(generated.cost for generated in written.values()),
        rejections=[rejection for generated in written.values() for rejection in generated.rejections],
    )


def _unfinished(written: Mapping[str, Generated] | Mapping[str, GeneratedPairs]) -> frozenset[str]:
    """Return the generators that a budget ended: the few rows they got to must not be the measure of the others."""
    return frozenset(name for name, generated in written.items() if generated.dropped[OUT_OF_BUDGET])


def _mixed(
    rows: Mapping[str, Sequence[Row]], weights: Mapping[str, float], seed: int, *, whole: frozenset[str]
) -> Mixed[Row]:
    """Return the rows in the proportion of the weights, but for those that are brought, or to be taken whole."""
    whole |= BRING_THEIR_OWN
    mixed: Mixed[Row] = mix_by_weight({name: rows[name] for name in rows if name not in whole}, weights, seed)
    taken: list[Row] = [row for name in rows if name in whole for row in rows[name]]
    return replace(mixed, rows=mixed.rows + taken)
