"""Pairs whose rejected text was sampled from a model of this platform: the base model, or the author's SFT checkpoint.

DPO learns most from texts that the model itself would write (on-policy data: Tajwar et al. 2024, "Preference
Fine-Tuning of LLMs Should Leverage Suboptimal, On-Policy Data"); the SFT checkpoint, which DPO starts from, writes
them. The base model's texts are farther from the author's, and do not change with every fine-tuning. The model is
called through `PairMaterial.sample`; which one it is, is the caller's choice, and stands in `rejected_by`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from twin_assets.datasets.generation.contract import Report
from twin_assets.datasets.generation.pair_contract import GeneratedPairs, PairMaterial, Sample
from twin_assets.datasets.generation.pairs import (
    build_preference_rows,
    own_words,
    preference_prompt_hash,
    preference_prompts,
)
from twin_assets.documents import InstructRow, Rejection

RejectedFrom = Literal["base", "sft"]
"""Which model writes the rejected texts: the base model, or the checkpoint that DPO starts from."""

BLOCK = 64
"""Prompts put to the model between two reports of progress: two batches of `CausalModel.generate`."""
TOO_LONG = "prompt fills the model's context"
"""Why a row gives no pair: its prompt leaves the model no room to write in."""
KEPT_MODELS = 3
"""Models whose texts are kept: going back to the one before, or from `sft` to `base`, generates nothing."""


def rejected_by_name(model_version: str, settings_fingerprint: str) -> str:
    """Return the name of a model with its generation settings, as it stands in `rejected_by`."""
    return f"{model_version}@{settings_fingerprint}"


@dataclass(frozen=True)
class OnPolicy:
    """The author's passage against what a model of this platform writes for the same instruction.

    Attributes:
        rejected_by: The model and its generation settings, see `rejected_by_name`.
        known: Texts that need not be written again, see `known_texts`.
        limit: Most prompts that take part; None for all.
    """

    rejected_by: str
    known: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None

    def generate(self, material: PairMaterial) -> GeneratedPairs:
        """Return a pair for every prompt that takes part, if there is something to learn from it.

        The model writes one text for each prompt that is not known. What it writes for one depends on no other, so a
        new row changes none of those that are there.

        Raises:
            ValueError: If the limit is too low, see `preference_prompts`.
        """
        own, dropped = own_words(material.rows, material.documents)
        rows = preference_prompts(own, limit=self.limit, seed=material.seed)
        prompts = {preference_prompt_hash(row.instruction, self.rejected_by): row.instruction for row in rows}
        missing = {key: prompt for key, prompt in prompts.items() if key not in self.known}
        texts = {key: self.known[key] for key in prompts if key in self.known}
        written = _written(missing, material.sample, material.report)
        texts |= written
        fitting = [row for row in rows if preference_prompt_hash(row.instruction, self.rejected_by) in texts]
        pairs = build_preference_rows(fitting, texts, self.rejected_by)
        return GeneratedPairs(
            rows=pairs.rows,
            dropped=dropped + Counter(pairs.dropped) + Counter({TOO_LONG: len(rows) - len(fitting)}),
            generated=len(written),
            reused=len(texts) - len(written),
            rejections=[
                Rejection(prompt_hash=key, text=text, rejected_by=self.rejected_by) for key, text in texts.items()
            ],
        )


def known_texts(kept: Iterable[Rejection], rejected_by: str) -> dict[str, str]:
    """Return the texts that this model, with these settings, has written: what a re-run need not generate.

    Texts that no pair was made of are among them, so that they are not written again at every run.

    Returns:
        `preference_prompt_hash` -> text.
    """
    return {one.prompt_hash: one.text for one in kept if one.rejected_by == rejected_by}


def to_keep(kept: Sequence[Rejection], used: Sequence[Rejection], rows: Iterable[InstructRow]) -> list[Rejection]:
    """Return the texts to keep for the next run.

    Kept are the texts of the three models that were used last, for instructions that the dataset still has: what was
    written for a deleted document goes, what a limit left out this time stays.

    Args:
        kept: What was kept so far, as this function returned it.
        used: `GeneratedPairs.rejections` of this run.
        rows: All rows of the instruct dataset, whether they took part or not.

    Returns:
        The texts, those of the model used last at the end.
    """
    merged = {one.prompt_hash: one for one in kept} | {one.prompt_hash: one for one in used}
    order = dict.fromkeys(one.rejected_by for one in kept)
    for model in dict.fromkeys(one.rejected_by for one in used):
        order.pop(model, None)
        order[model] = None
    prompts = {row.instruction for row in rows}
    return [
        merged[key]
        for model in list(order)[-KEPT_MODELS:]
        for key in sorted(preference_prompt_hash(prompt, model) for prompt in prompts)
        if key in merged
    ]


def _written(missing: Mapping[str, str], sample: Sample, report: Report) -> dict[str, str]:
    """Return what the model writes for the missing prompts, by key; prompts of like length are asked together."""
    keys = sorted(missing, key=lambda key: (len(missing[key]), missing[key]))
    texts: dict[str, str] = {}
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        answers = sample([missing[key] for key in block])
        texts |= {key: answer for key, answer in zip(block, answers, strict=True) if answer is not None}
        report(f"Generated rejected texts for {start + len(block):,} of {len(keys):,} prompts")
    return texts
