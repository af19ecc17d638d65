"""The hyperparameters of the three training stages, with units, defaults and where the defaults come from.

The defaults are for the offline base model on two CPU cores; for a model of billions of parameters on a GPU the
descriptions name the usual values. Nothing is trained here.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Training(BaseModel):
    """What every stage sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight_decay: float = Field(default=0.01, ge=0, description="AdamW weight decay; usual: 0.01 to 0.1")
    warmup_fraction: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the steps in which the learning rate rises; it then falls by cosine",
    )
    max_grad_norm: float = Field(default=1.0, gt=0, description="Gradient norm above which gradients are clipped")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto: bfloat16 on a GPU that has it, else float32"
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Recompute activations: about 20 % slower, far less memory; for models of billions"
    )
    max_eval_rows: int = Field(
        default=48,
        ge=1,
        description="Rows of test.parquet, spread evenly over it, that the evaluation loss is taken on",
    )


class PretrainHyperparameters(_Training):
    """A small Llama-architecture model and its tokenizer, trained from nothing."""

    vocab_size: int = Field(
        default=4096,
        ge=300,
        description="Most entries of the byte-level BPE vocabulary, 256 bytes and 3 markers included",
    )
    min_frequency: int = Field(
        default=8,
        ge=2,
        description="How often a pair must occur to become a token: keeps a small corpus from a large vocabulary",
    )
    hidden_size: int = Field(default=128, ge=8, description="Width of the model; a multiple of attention_heads")
    layers: int = Field(default=2, ge=1, description="Transformer blocks")
    attention_heads: int = Field(default=4, ge=1, description="Attention heads of each block")
    intermediate_size: int = Field(default=384, ge=8, description="Width of the feed-forward layers")
    context_length: int = Field(default=512, ge=16, description="Tokens the model may read at once")
    block_length: int = Field(
        default=128, ge=8, description="Tokens of a training block: many short ones teach a small model fastest"
    )
    long_fraction: float = Field(
        default=0.25, ge=0, le=1, description="Share of the steps, the last ones, with blocks of context_length"
    )
    tokens_per_step: int = Field(default=1024, ge=16, description="Tokens of a step: short or long blocks together")
    token_budget: int = Field(default=400_000, ge=1, description="Tokens that are trained on, at most")
    max_epochs: float = Field(
        default=3.0,
        gt=0,
        description="Times that each token is seen, at most: a small corpus is learnt by heart otherwise",
    )
    learning_rate: float = Field(
        default=6e-3, gt=0, description="Peak learning rate of AdamW; small models take large ones"
    )
    weight_decay: float = Field(
        default=0.1, ge=0, description="AdamW weight decay (GPT-3, Brown et al. 2020, appendix B)"
    )


class _Adapter(_Training):
    """What the stages that train a LoRA adapter share (Hu et al. 2021, LoRA)."""

    max_steps: int = Field(default=200, ge=1, description="Optimizer steps, at most")
    batch_size: int = Field(default=8, ge=1, description="Rows per device and forward pass")
    gradient_accumulation: int = Field(
        default=1, ge=1, description="Forward passes per step: the effective batch is batch_size x this x devices"
    )
    max_length: int = Field(
        default=512,
        ge=16,
        description="Tokens of prompt and answer together; what is beyond is cut off. GPU: 1,024 to 4,096",
    )
    lora_rank: int = Field(default=32, ge=1, description="Rank of the adapter (LLM Engineer's Handbook, chapter 5: 32)")
    lora_alpha: int = Field(
        default=64, ge=1, description="Scale of the adapter's output is alpha / rank; usual: rank or twice it"
    )
    lora_dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout before the adapter; usual: 0 to 0.1")


class SFTHyperparameters(_Adapter):
    """Supervised fine-tuning: the loss is on the author's answer only, its EOS included."""

    epochs: float = Field(
        default=5.0, gt=0, description="Passes over the dataset, cut short by max_steps; models of billions: 1 to 5"
    )
    learning_rate: float = Field(
        default=2e-3,
        gt=0,
        description="Peak learning rate of AdamW. Models of billions: 3e-4 (LLM Engineer's Handbook, chapter 5)",
    )


class DPOHyperparameters(_Adapter):
    """Direct preference optimisation (Rafailov et al. 2023), the model with its adapter off as the reference."""

    epochs: float = Field(default=1.0, gt=0, description="Passes over the dataset, cut short by max_steps; usual: 1")
    max_steps: int = Field(default=40, ge=1, description="Optimizer steps, at most")
    batch_size: int = Field(default=4, ge=1, description="Pairs per device and forward pass")
    learning_rate: float = Field(
        default=1e-4,
        gt=0,
        description="Peak learning rate of AdamW. Models of billions: 2e-6 (LLM Engineer's Handbook, chapter 6)",
    )
    beta: float = Field(
        default=0.1, gt=0, le=1, description="Pull towards the reference model; 0.1 is usual, more stays closer to it"
    )
    sft_weight: float = Field(
        default=0.2,
        ge=0,
        description="Weight of the negative log-likelihood of chosen beside the preference loss: keeps the model from "
        "forgetting how the author writes (Pang et al. 2024, Iterative RPO, section 3)",
    )


Hyperparameters = PretrainHyperparameters | SFTHyperparameters | DPOHyperparameters

HYPERPARAMETERS: Final[
    dict[str, type[PretrainHyperparameters] | type[SFTHyperparameters] | type[DPOHyperparameters]]
] = {"pretrain": PretrainHyperparameters, "sft": SFTHyperparameters, "dpo": DPOHyperparameters}
"""The settings of each stage."""
