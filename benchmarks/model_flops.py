"""Model FLOPs of a training step, from a model's shape: what the arithmetic takes, whatever the program spends.

Conventions are those of PaLM (Chowdhery et al. 2022, appendix B): a multiply-add is two operations, only matrix
multiplications count, attention is not halved for causality, and recomputed activations do not count.
"""

from dataclasses import dataclass

PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "A10G": 70e12}
"""Operations per second of dense bfloat16 arithmetic, by a word of the device's name (NVIDIA's data sheets, SXM)."""


@dataclass(frozen=True)
class LlamaShape:
    """The sizes of a model of the Llama architecture."""

    vocab: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int

    @property
    def head_width(self) -> int:
        """Width of an attention head."""
        return self.hidden // self.heads

    @property
    def linear_layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each linear layer of a block: q, k, v, o, gate, up, down."""
        kv = self.kv_heads * self.head_width
        return [
            (self.hidden, self.hidden),
            (self.hidden, kv),
            (self.hidden, kv),
            (self.hidden, self.hidden),
            (self.hidden, self.intermediate),
            (self.hidden, self.intermediate),
            (self.intermediate, self.hidden),
        ]

    @property
    def multiplied(self) -> int:
        """Weights that each token is multiplied with: all but the embeddings, which are looked up."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linear_layers) + self.vocab * self.hidden

    def adapter(self, rank: int) -> int:
        """Return the weights of a LoRA adapter on every linear layer but the output layer."""
        return self.layers * rank * sum(inputs + outputs for inputs, outputs in self.linear_layers)


LLAMA_1B = LlamaShape(vocab=128_256, hidden=2048, layers=16, heads=32, kv_heads=8, intermediate=8192)
"""Llama 3.2 1B."""
LLAMA_8B = LlamaShape(vocab=128_256, hidden=4096, layers=32, heads=32, kv_heads=8, intermediate=14_336)
"""Llama 3.1 8B."""


def attention_flops(shape: LlamaShape, length: int) -> float:
    """Return the operations per token of attention itself, forward: queries with keys, and weights with values."""
    return 4.0 * shape.layers * shape.hidden * length


def full_flops_per_token(shape: LlamaShape, length: int) -> float:
    """Return the operations per token of a step that trains every weight: 6 N + 12 L H Q T.

    Args:
        shape: The model.
        length: Tokens that each token attends among.
    """
    return 6.0 * shape.multiplied + 3 * attention_flops(shape, length)


def lora_flops_per_token(shape: LlamaShape, length: int, *, rank: int) -> float:
    """Return the operations per token of a step that trains a LoRA adapter.

    Forward, each frozen weight takes 2. Backward, the gradient goes through it to what lies below, which takes 2 more;
    that of the weight itself, another 2 in full training, is nobody's business here. Attention has no weights: both of
    its products have two gradients, as in full training. The adapter's own weights take all 6.
    """
    return 4.0 * shape.multiplied + 3 * attention_flops(shape, length) + 6.0 * shape.adapter(rank)


def peak_of(device: str) -> float | None:
    """Return the peak bfloat16 operations per second of a device by its name; None if it is not known."""
    words = device.replace("-", " ").split()
    return next((peak for name, peak in PEAK_BF16.items() if name in words), None)
