"""The shapes of a causal language model, read from its configuration: no weights are downloaded or loaded.

What these shapes cost in memory and time stands in `memory` and `compute`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upath import UPath

from twin_assets.errors import UserError
from twin_assets.training.hyperparameters import PretrainHyperparameters
from twin_assets.training.storage import checkpoint_files, is_remote

LLAMA_LAYOUT = frozenset({"llama", "mistral", "qwen2", "gemma"})
"""Model types whose blocks are attention with q, k, v, o and a gated feed-forward: counted without torch."""


@dataclass(frozen=True)
class Linear:
    """The linear layers of one name and shape inside the blocks; the output layer is not among them."""

    name: str
    inputs: int
    outputs: int
    count: int

    @property
    def parameters(self) -> int:
        """Weights of all of them, without bias."""
        return self.inputs * self.outputs * self.count


@dataclass(frozen=True)
class Architecture:
    """What a decoder-only transformer is made of."""

    model_type: str
    parameters: int
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate_size: int
    vocabulary: int
    linears: tuple[Linear, ...]

    @property
    def linear_parameters(self) -> int:
        """Weights that QLoRA quantises and that `all-linear` adapts."""
        return sum(linear.parameters for linear in self.linears)

    @property
    def matmul_parameters(self) -> int:
        """Weights that every token is multiplied with: the blocks' linear layers and the output layer."""
        return self.linear_parameters + self.hidden_size * self.vocabulary

    def lora_parameters(self, rank: int, targets: frozenset[str] = frozenset()) -> int:
        """Return the trainable parameters of LoRA on the linear layers of the blocks.

        A layer of `inputs` x `outputs` gets A of rank x inputs and B of outputs x rank (Hu et al. 2021, section 4.1).

        Args:
            rank: The rank.
            targets: Names of the layers, such as q_proj; all of them if there is none.
        """
        adapted = (linear for linear in self.linears if not targets or linear.name in targets)
        return sum(rank * (linear.inputs + linear.outputs) * linear.count for linear in adapted)


def architecture_of(location: str, revision: str | None = None, *, offline: bool = True) -> Architecture:
    """Return the architecture of a model from the config.json of a folder, local or s3://, or of a hub id.

    Raises:
        UserError: If there is no configuration to be read, or it is not that of a causal language model.
    """
    path: UPath | Path = (checkpoint_files(location) if is_remote(location) else UPath(location)) / "config.json"
    if not is_remote(location) and not path.is_file():
        path = _config_of_hub_id(location, revision, offline=offline)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a model's configuration: check the base model ({error}).") from error
    return architecture_from_config(config, source=str(path))


def architecture_from_config(config: Mapping[str, Any], *, source: str = "the configuration") -> Architecture:
    """Return the architecture that a Hugging Face configuration describes.

    Families of the Llama layout are counted by formula; any other is built on PyTorch's meta device, which holds shapes
    and no numbers.

    Raises:
        UserError: If it is not the configuration of a causal language model.
    """
    if config.get("model_type") in LLAMA_LAYOUT and "hidden_size" in config:
        return _llama_layout(config)
    return _on_meta_device(config, source)


def architecture_of_pretraining(settings: PretrainHyperparameters) -> Architecture:
    """Return the architecture that the pretrain stage makes from nothing, its vocabulary at its largest."""
    return _llama_layout(
        {
            "model_type": "llama",
            "hidden_size": settings.hidden_size,
            "num_hidden_layers": settings.layers,
            "num_attention_heads": settings.attention_heads,
            "intermediate_size": settings.intermediate_size,
            "vocab_size": settings.vocab_size,
            "tie_word_embeddings": True,
        }
    )


def _llama_layout(config: Mapping[str, Any]) -> Architecture:
    """Count a model of the Llama layout.

    Bias: on q, k, v of Qwen 2 always; elsewhere where `attention_bias` (q, k, v, o) or `mlp_bias` say so.
    """
    hidden, layers, vocabulary = config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]
    heads, intermediate = config["num_attention_heads"], config["intermediate_size"]
    kv_heads = config.get("num_key_value_heads") or heads
    head_size = config.get("head_dim") or hidden // heads
    q, kv = heads * head_size, kv_heads * head_size
    linears = (
        Linear("q_proj", hidden, q, layers),
        Linear("k_proj", hidden, kv, layers),
        Linear("v_proj", hidden, kv, layers),
        Linear("o_proj", q, hidden, layers),
        Linear("gate_proj", hidden, intermediate, layers),
        Linear("up_proj", hidden, intermediate, layers),
        Linear("down_proj", intermediate, hidden, layers),
    )
    bias = 0
    if config["model_type"] == "qwen2" or config.get("attention_bias"):
        bias += layers * (q + 2 * kv)
    if config["model_type"] != "qwen2" and config.get("attention_bias"):
        bias += layers * hidden
    if config.get("mlp_bias"):
        bias += layers * (2 * intermediate + hidden)
    tied = config.get("tie_word_embeddings", config["model_type"] == "gemma")
    embeddings = vocabulary * hidden * (1 if tied else 2)
    norms = (2 * layers + 1) * hidden
    return Architecture(
        model_type=config["model_type"],
        parameters=sum(linear.parameters for linear in linears) + bias + embeddings + norms,
        layers=layers,
        hidden_size=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        intermediate_size=intermediate,
        vocabulary=vocabulary,
        linears=linears,
    )


def _on_meta_device(config: Mapping[str, Any], source: str) -> Architecture:
    from collections import Counter

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    known = {key: value for key, value in config.items() if key != "model_type"}
    try:
        settings = AutoConfig.for_model(str(config.get("model_type")), **known).get_text_config()
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(settings)
    except (ValueError, KeyError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{source} is not that of a causal language model: check the base model ({reason}).") from error
    output = model.get_output_embeddings()
    shapes = Counter(
        (
            name.rpartition(".")[2],
            # GPT-2's Conv1D holds its weight as inputs x outputs, Linear the other way round.
            *(module.weight.shape if isinstance(module, Conv1D) else reversed(module.weight.shape)),
        )
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not output
    )
    heads = settings.num_attention_heads
    return Architecture(
        model_type=str(settings.model_type),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        layers=settings.num_hidden_layers,
        hidden_size=settings.hidden_size,
        heads=heads,
        kv_heads=getattr(settings, "num_key_value_heads", None) or heads,
        head_size=getattr(settings, "head_dim", None) or settings.hidden_size // heads,
        intermediate_size=getattr(settings, "intermediate_size", None) or 4 * settings.hidden_size,
        vocabulary=settings.vocab_size,
        linears=tuple(
            Linear(name, inputs, outputs, count) for (name, inputs, outputs), count in sorted(shapes.items())
        ),
    )


def _config_of_hub_id(location: str, revision: str | None, *, offline: bool) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(location, "config.json", revision=revision, local_files_only=offline))
    except HFValidationError as error:
        raise UserError(f"{location} is no folder with a config.json and no hub id: set TWIN_BASE_MODEL.") from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"The configuration of {location} is not here, and downloads are forbidden or the hub cannot be reached: "
            "set TWIN_HUB_OFFLINE=false, or give a folder."
        ) from error
    except (HfHubHTTPError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"The configuration of {location} cannot be had from the hub: {reason}") from error
