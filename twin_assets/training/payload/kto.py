"""KTO (Ethayarajh et al. 2024) with TRL's trainer, from pairs: each text of a pair is learnt from by itself."""

import random

from datasets import Dataset

from twin_assets.training.chat_template import answer_message, messages_for
from twin_assets.training.payload.rows import Rows


def unpaired(rows: Rows, *, seed: int) -> Dataset:
    """Return both texts of each pair as rows of their own, in TRL's conversational unpaired form.

    KTO is trained in the order of the rows, and estimates its divergence from the prompt of each row and the completion
    of the one before it in the batch. So wanted and unwanted texts alternate, every batch holds as many of both, and
    neighbours are never of one pair: the pairs are shuffled and gone through twice, one text of each at a time.
    """
    order = random.Random(seed).sample(range(len(rows)), len(rows))  # noqa: S311  an order, not a secret
    first = [(number, place % 2 == 0) for place, number in enumerate(order)]
    second = [(number, not wanted) for number, wanted in first]
    return Dataset.from_list(
        [
            {
                "prompt": messages_for(rows[number]["prompt"]),
                "completion": answer_message(rows[number]["chosen" if wanted else "rejected"]),
                "label": wanted,
            }
            for number, wanted in [*first, *second]
        ]
    )
