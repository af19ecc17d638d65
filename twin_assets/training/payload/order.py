"""The order in which rows are seen: a function of seed and epoch, and of nothing else.

The samplers of the libraries draw from the process's random state. A run that goes on after an interruption, or two
processes whose dropout drew differently, would then see other rows than they should.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch.utils.data import Sampler
from transformers import Trainer
from transformers.trainer_pt_utils import get_length_grouped_indices

TrainerClass = TypeVar("TrainerClass", bound=type[Trainer])


class SeededOrder(Sampler[int]):
    """Indices in an order that a generator, seeded for the epoch, decides."""

    def __init__(
        self,
        length: int,
        order: Callable[[torch.Generator], list[int]],
        *,
        seed: int,
        epoch: Callable[[], int],
    ) -> None:
        """Yield `length` indices as `order` puts them; `epoch` is asked when a pass begins."""
        self._length = length
        self._order = order
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of indices in a pass."""
        return self._length

    def __iter__(self) -> Iterator[int]:
        """Begin a pass."""
        generator = torch.Generator()
        generator.manual_seed(self._seed + self._epoch())
        return iter(self._order(generator))


def in_seeded_order(trainer_class: TrainerClass) -> TrainerClass:
    """Return a trainer class whose training rows stand in seeded order; a sequential one is left as it is."""

    class Ordered(trainer_class):  # type: ignore[misc, valid-type]
        def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
            rows = self.train_dataset if train_dataset is None else train_dataset
            strategy = self.args.train_sampling_strategy
            if strategy not in {"random", "group_by_length"}:
                sampler: Sampler[int] | None = super()._get_train_sampler(train_dataset)
                return sampler
            order = random_order(len(rows)) if strategy == "random" else length_order(self, rows)
            # The state counts epochs as a fraction, and stands at a whole number when a pass begins from its start.
            return SeededOrder(len(rows), order, seed=self.args.data_seed, epoch=lambda: int(self.state.epoch or 0))

    Ordered.__name__ = trainer_class.__name__
    return Ordered  # type: ignore[return-value]


def random_order(length: int) -> Callable[[torch.Generator], list[int]]:
    """Return an order that a permutation decides."""
    return lambda generator: torch.randperm(length, generator=generator).tolist()


def length_order(trainer: Trainer, rows: Any) -> Callable[[torch.Generator], list[int]]:
    """Return a random order in which rows of like length share a batch, over all processes and accumulated batches."""
    arguments = trainer.args
    together = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
    lengths = [len(ids) for ids in rows["input_ids"]]
    return lambda generator: get_length_grouped_indices(lengths, together, generator=generator)
