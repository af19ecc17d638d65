"""Which model writes the rejected texts, and how it is sampled."""

from collections.abc import Sequence

from resources.artifacts import ArtifactStore
from twin_assets.documents import BaseModelRef
from twin_assets.inference.base import base_to_ask
from twin_assets.inference.generation import CausalModel, GenerationSettings
from twin_assets.training.chat_template import ChatTemplate
from twin_assets.training.manifest import read_manifest

REJECTION_SETTINGS = GenerationSettings(max_new_tokens=96, temperature=0.9, top_p=0.95, seed=0)
"""How rejected answers are sampled: long enough to show a style, warm enough not to repeat itself."""


def sampled(model: CausalModel, prompts: Sequence[str]) -> list[str | None]:
    """Let a model answer prompts; None for a prompt that fills its context."""
    fits = model.leaves_room(prompts)
    texts = iter(model.generate([prompt for prompt, fit in zip(prompts, fits, strict=True) if fit], REJECTION_SETTINGS))
    return [next(texts) if fit else None for fit in fits]


def rejecting_model(
    source: str, base: BaseModelRef, artifacts: ArtifactStore, author: str, *, template: ChatTemplate
) -> tuple[CausalModel, str]:
    """Return the model that writes rejected texts, loaded when first asked, and its version.

    Args:
        source: base for the base model, sft for the author's SFT checkpoint.
        base: The base model.
        artifacts: Where checkpoints lie.
        author: Slug of the author.
        template: The chat template that the base model is asked with; a checkpoint was trained with its own.

    Raises:
        ManifestError: If the SFT checkpoint is wanted and was never trained.
    """
    if source == "base":
        return base_to_ask(base, template, artifacts)
    folder = artifacts.folder("sft_checkpoint", author)
    return CausalModel(str(folder)), read_manifest(folder).data_version
