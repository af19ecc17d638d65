"""The hyperparameters of the three training stages: what can be set, its units and its range.

The defaults of the classes are those of the offline base model on two CPU cores. What a larger model starts from
instead, and who wins where a run, an author and a size disagree, stands in `defaults.py`. Whether a machine can do
what is asked for is the payload's business. Nothing is trained here.
"""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Method = Literal["full", "lora", "qlora"]
PreferenceLoss = Literal["dpo", "orpo", "kto"]
Attention = Literal["sdpa", "eager", "flash_attention_2"]
Optimizer = Literal["adamw_torch", "adamw_8bit", "paged_adamw_8bit"]
ALL_LINEAR = "all-linear"


class _Training(BaseModel):
    """What every stage sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight_decay: float = Field(default=0.01, ge=0, description="AdamW weight decay; usual: 0.01 to 0.1")
    warmup_fraction: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the steps in which the learning rate rises; what it does then is the schedule's business",
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
        description="Most entries of the byte-level BPE vocabulary, 256 bytes and the markers included",
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


class FineTuning(_Training):
    """What the stages that start from a model share: how its weights are changed, and on which rows."""

    method: Method = Field(
        default="lora",
        description="full: every weight; lora: low-rank adapters (Hu et al. 2021); qlora: adapters on a base in 4 bits "
        "(NF4, double quantisation; Dettmers et al. 2023), on a GPU with bitsandbytes",
    )
    epochs: float = Field(default=1.0, gt=0, description="Passes over the dataset, cut short by max_steps")
    max_steps: int = Field(default=200, ge=1, description="Optimizer steps, at most")
    batch_size: int = Field(default=8, ge=1, description="Rows per forward pass, on one GPU")
    gradient_accumulation: int = Field(
        default=1,
        ge=1,
        description="Forward passes per step, on one GPU: a step reads batch_size x this rows; several GPUs share them",
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
    early_stopping_patience: int = Field(
        default=0,
        ge=0,
        description="End when the loss on validation.parquet has not fallen for so many evaluations, of which a run "
        "has about 20, and keep the best weights; 0 is never",
    )
    target_modules: str = Field(
        default=ALL_LINEAR,
        pattern=r"^\s*[\w.-]+(\s*,\s*[\w.-]+)*\s*$",
        description="Layers that get an adapter: all-linear (all but the output layer), or names with commas, as in "
        "q_proj,v_proj",
    )
    lr_scheduler: Literal["cosine", "linear", "constant"] = Field(
        default="cosine", description="How the learning rate goes on after the warm-up: to nothing, or constant"
    )
    optimizer: Optimizer = Field(
        default="adamw_torch",
        description="adamw_torch: AdamW of PyTorch, its fused kernel; adamw_8bit, paged_adamw_8bit: its state in 8 "
        "bits, paged to the host's memory if need be, on a GPU with bitsandbytes",
    )
    attention: Attention = Field(
        default="sdpa",
        description="Attention kernel: sdpa (PyTorch picks one), eager (written out, slow) or flash_attention_2 (a GPU "
        "with flash-attn)",
    )
    liger: bool = Field(
        default=False, description="Fused Triton kernels of liger-kernel for norm, rotation and feed-forward, on a GPU"
    )

    @model_validator(mode="after")
    def _can_be_combined(self) -> Self:
        if self.method == "qlora" and self.precision == "fp32":
            raise ValueError("method qlora computes in bfloat16: set precision to auto or bf16")
        if self.attention == "flash_attention_2" and self.precision == "fp32":
            raise ValueError(
                "flash_attention_2 computes in 16 bits: set precision to auto or bf16, or attention to sdpa"
            )
        return self

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter is trained, and the model's own weights stay as they are."""
        return self.method != "full"


class SFTHyperparameters(FineTuning):
    """Supervised fine-tuning: the loss is on the author's answer only, its EOS included."""

    epochs: float = Field(
        default=5.0, gt=0, description="Passes over the dataset, cut short by max_steps; models of billions: 1 to 5"
    )
    learning_rate: float = Field(
        default=2e-3,
        gt=0,
        description="Peak learning rate of AdamW. Models of billions: 3e-4 (LLM Engineer's Handbook, chapter 5)",
    )
    packing: bool = Field(
        default=False,
        description="Fill each sequence of max_length with several rows that cannot see each other, instead of padding "
        "them; a batch is then of sequences, not of rows",
    )
    neftune_alpha: float = Field(
        default=0.0,
        ge=0,
        description="Scale of uniform noise on the embeddings while training; 0 is none, 5 usual (Jain et al. 2023, "
        "NEFTune)",
    )


class DPOHyperparameters(FineTuning):
    """Preference optimisation: DPO (Rafailov et al. 2023), or ORPO or KTO in its place.

    The reference of DPO and KTO is the model that training starts from: its adapter off, or a frozen copy where every
    weight is trained. ORPO has none.
    """

    loss: PreferenceLoss = Field(
        default="dpo",
        description="dpo: pairs against a reference model; orpo: odds ratio of the pair beside the likelihood of "
        "chosen, no reference (Hong et al. 2024); kto: each text of a pair by itself (Ethayarajh et al. 2024)",
    )
    epochs: float = Field(default=1.0, gt=0, description="Passes over the dataset, cut short by max_steps; usual: 1")
    max_steps: int = Field(default=40, ge=1, description="Optimizer steps, at most")
    batch_size: int = Field(default=4, ge=1, description="Pairs per forward pass, on one GPU; for kto, single texts")
    learning_rate: float = Field(
        default=1e-4,
        gt=0,
        description="Peak learning rate of AdamW. Models of billions: 2e-6 (LLM Engineer's Handbook, chapter 6)",
    )
    beta: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="dpo and kto: pull towards the reference model, more stays closer to it; orpo: weight of the odds "
        "ratio; 0.1 is usual",
    )
    sft_weight: float = Field(
        default=0.2,
        ge=0,
        description="Only for dpo: weight of the negative log-likelihood of chosen beside the preference loss; keeps "
        "the model from forgetting how the author writes (Pang et al. 2024, Iterative RPO, section 3)",
    )

    @model_validator(mode="after")
    def _kto_compares_texts_of_a_batch(self) -> Self:
        if self.loss == "kto" and self.batch_size < 2:
            raise ValueError("kto estimates its divergence within a forward pass: set batch_size to 2 or more")
        return self


Hyperparameters = PretrainHyperparameters | SFTHyperparameters | DPOHyperparameters

HYPERPARAMETERS: Final[
    dict[str, type[PretrainHyperparameters] | type[SFTHyperparameters] | type[DPOHyperparameters]]
] = {"pretrain": PretrainHyperparameters, "sft": SFTHyperparameters, "dpo": DPOHyperparameters}
"""The settings of each stage."""
