"""Asking a causal language model: answers, continuations, and how surprised it is by a text.

One class for every checkpoint and every hub model, so that base, SFT and DPO are asked in exactly the same way. Serving
is another matter (`transformers serve`, vLLM); what the numbers mean is said in `evaluation`.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from twin_assets.documents import Entity, content_hash
from twin_assets.errors import UserError
from twin_assets.training.chat_template import messages_for

if TYPE_CHECKING:
    import torch

BATCH_SIZE = 32
"""Prompts answered together: the cost of a step of a small model hardly grows with them."""
WINDOW = 512
"""Tokens that a model reads at once when it scores a text, where its context allows."""


class GenerationSettings(Entity):
    """How texts are sampled."""

    max_new_tokens: int = Field(default=200, ge=1, description="Tokens written, at most")
    temperature: float = Field(default=0.8, ge=0, description="Logits are divided by it; 0 takes the likeliest token")
    top_p: float = Field(
        default=0.95, gt=0, le=1, description="Sample from the likeliest tokens that hold this much of the probability"
    )
    seed: int = Field(default=0, ge=0, description="Seed of the samples")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings: with prompt and model it identifies a text that was written before."""
        return content_hash(self.model_dump(mode="json"))


class TextScore(Entity):
    """How surprised a model is by one text."""

    nll: float = Field(description="Negative log-likelihood, summed over the predicted tokens, in nats")
    n_tokens: int = Field(description="Tokens predicted: all but the first, which has nothing before it")

    @property
    def perplexity(self) -> float:
        """exp(nll / n_tokens)."""
        return math.exp(self.nll / self.n_tokens)


class CausalModel:
    """A causal language model and its tokenizer, loaded when first asked."""

    def __init__(self, location: str, *, revision: str | None = None, chat_template: str | None = None) -> None:
        """Name a model.

        Args:
            location: Folder of a checkpoint, or a hub id.
            revision: Revision of a hub model.
            chat_template: Jinja text of the chat template to ask it with; its own without it.
        """
        self.location = location
        self.revision = revision
        self._chat_template = chat_template

    def generate(
        self, prompts: Sequence[str], settings: GenerationSettings, *, batch_size: int = BATCH_SIZE
    ) -> list[str]:
        """Answer instructions, each as a conversation of its own through the model's chat template.

        Each prompt has its own source of randomness, seeded from the settings' seed and the prompt. A text therefore
        depends on model, prompt and settings, not on the prompts beside it, up to floating-point rounding: padding can
        change a logit in its last bits, and so tip the choice between two all but equal tokens. With `batch_size=1` it
        does not depend on other prompts at all.

        Returns:
            The answers, in the order of the prompts, without prompt and special tokens. An answer ends at the model's
            EOS, after `max_new_tokens`, or where the model's context is full.

        Raises:
            UserError: If the model cannot be loaded, has no chat template, or a prompt fills its context.
        """
        return self._continue(self._conversations(prompts), settings, batch_size, special_tokens=False)

    def leaves_room(self, prompts: Sequence[str]) -> list[bool]:
        """Return, for each instruction, whether the model's context has room for an answer to it.

        Raises:
            UserError: If the model cannot be loaded or has no chat template.
        """
        conversations = self._conversations(prompts)
        return [len(ids) < self._context for ids in self._ids(conversations, special_tokens=False)]

    def complete(
        self, texts: Sequence[str], settings: GenerationSettings, *, batch_size: int = BATCH_SIZE
    ) -> list[str]:
        """Go on from raw texts, without a chat template; the rest is as in `generate`.

        A marker that a text spells out is read as its letters.

        Returns:
            What follows each text, without the text.
        """
        return self._continue(list(texts), settings, batch_size, special_tokens=True)

    def token_nll(
        self, texts: Sequence[str], *, window: int | None = None, stride: int | None = None
    ) -> list[TextScore]:
        """Score raw texts, long ones by sliding windows.

        Each token is predicted once, from at least `window - stride` tokens before it, as far as the text has them
        (the strided perplexity of the transformers documentation).

        Args:
            texts: The texts, each of at least two tokens.
            window: Tokens read at once; by default 512, or the model's context if that is shorter.
            stride: Tokens scored per window; by default half the window.

        Raises:
            UserError: If the model cannot be loaded, or a text has nothing to predict.
            ValueError: If stride or window make no sense.
        """
        window = window or min(WINDOW, self._context)
        stride = stride or window // 2
        if not 0 < stride < window <= self._context:
            raise ValueError(f"0 < stride ({stride}) < window ({window}) <= context ({self._context}) must hold.")
        return [self._score(text, window, stride) for text in texts]

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        tokenizer = self._loaded(AutoTokenizer)
        tokenizer.padding_side = "left"
        if self._chat_template is not None:
            tokenizer.chat_template = self._chat_template
        # Texts are cut into windows here; the tokenizer need not warn about their length.
        tokenizer.model_max_length = 10**9
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        model = self._loaded(AutoModelForCausalLM, dtype="auto")
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def _loaded(self, auto_class: Any, **options: Any) -> Any:
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            return auto_class.from_pretrained(self.location, revision=self.revision or "main", **options)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"The model {self.location} cannot be loaded: check the path or hub id ({reason})."
            ) from error

    @property
    def _context(self) -> int:
        return int(getattr(self._model.config, "max_position_embeddings", WINDOW))

    def _conversations(self, prompts: Sequence[str]) -> list[str]:
        if prompts and not self._tokenizer.chat_template:
            raise UserError(f"{self.location} has no chat template: use `complete`, or a model that was fine-tuned.")
        return [
            self._tokenizer.apply_chat_template(messages_for(prompt), add_generation_prompt=True, tokenize=False)
            for prompt in prompts
        ]

    def _ids(self, texts: Sequence[str], *, special_tokens: bool) -> list[list[int]]:
        # Of a raw text no letter is a marker; of a rendered conversation the template's markers are.
        return [
            self._tokenizer(text, add_special_tokens=special_tokens, split_special_tokens=special_tokens)["input_ids"]
            for text in texts
        ]

    def _continue(
        self, texts: list[str], settings: GenerationSettings, batch_size: int, *, special_tokens: bool
    ) -> list[str]:
        ids = self._ids(texts, special_tokens=special_tokens)
        # Prompts of like length share a batch: less padding, fewer wasted steps. The order is restored at the end.
        order = sorted(range(len(texts)), key=lambda index: (len(ids[index]), texts[index]))
        written: dict[int, str] = {}
        # A prompt that leaves less room than an answer may take is asked alone, lest it cut others short.
        room = self._context - settings.max_new_tokens
        roomy: list[int] = []
        tight: list[int] = []
        for index in order:
            (roomy if len(ids[index]) <= room else tight).append(index)
        batches = [roomy[start : start + batch_size] for start in range(0, len(roomy), batch_size)]
        for batch in [*batches, *([index] for index in tight)]:
            answers = self._write([ids[index] for index in batch], [texts[index] for index in batch], settings)
            written |= dict(zip(batch, answers, strict=True))
        return [written[index] for index in range(len(texts))]

    def _write(self, ids: list[list[int]], texts: list[str], settings: GenerationSettings) -> list[str]:
        import torch
        from transformers import GenerationConfig

        length = max(len(row) for row in ids)
        if length >= self._context:
            raise UserError(
                f"A prompt of {length} tokens fills the context of {self.location}, {self._context} tokens: shorten it."
            )
        padded = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._model.device)
        sampler = _SeededSampler(texts, settings)
        with torch.no_grad():
            output = self._model.generate(
                **padded,
                # Greedy over noisy logits: the sampler draws the tokens, so that each row has its own randomness.
                generation_config=GenerationConfig(
                    do_sample=False,
                    max_new_tokens=min(settings.max_new_tokens, self._context - length),
                    eos_token_id=self._model.generation_config.eos_token_id or self._tokenizer.eos_token_id,
                    pad_token_id=self._tokenizer.pad_token_id,
                ),
                logits_processor=[sampler],
            )
        answers: list[str] = self._tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)
        return answers

    def _score(self, text: str, window: int, stride: int) -> TextScore:
        import torch

        ids = self._tokenizer(text, split_special_tokens=True)["input_ids"]
        if len(ids) < 2:
            raise UserError(f"{text!r} has fewer than two tokens: there is nothing to predict.")
        nll, scored = 0.0, 1
        for start in range(0, len(ids), stride):
            end = min(start + window, len(ids))
            tokens = torch.tensor([ids[start:end]], device=self._model.device)
            with torch.no_grad():
                logits = self._model(input_ids=tokens).logits[0, :-1].float()
            losses = torch.nn.functional.cross_entropy(logits, tokens[0, 1:], reduction="none")
            nll += float(losses[-(end - scored) :].double().sum())
            scored = end
            if end == len(ids):
                break
        return TextScore(nll=nll, n_tokens=len(ids) - 1)


class _SeededSampler:
    """A logits processor that draws each row's next token with that row's own random numbers.

    Adding Gumbel noise to logits and taking the largest is sampling from their softmax (Gumbel 1954; Maddison et al.
    2014, A* Sampling, section 2), so a greedy search over what this returns is sampling.
    """

    def __init__(self, texts: Sequence[str], settings: GenerationSettings) -> None:
        import torch
        from transformers import TopPLogitsWarper

        self._temperature = settings.temperature
        self._nucleus = TopPLogitsWarper(settings.top_p) if settings.top_p < 1 else None
        self._generators = [torch.Generator().manual_seed(_seed(settings.seed, text)) for text in texts]

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        import torch

        if self._temperature == 0:
            return scores
        scores = scores.float() / self._temperature
        if self._nucleus:
            scores = self._nucleus(input_ids, scores)
        uniform = torch.stack([torch.rand(scores.shape[-1], generator=generator) for generator in self._generators])
        # rand is in [0, 1): the smallest normal number keeps the logarithm finite.
        gumbel = -torch.log(-torch.log(uniform.clamp(min=torch.finfo(torch.float32).tiny)))
        return scores + gumbel.to(scores.device)


def _seed(seed: int, text: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "big") >> 1
