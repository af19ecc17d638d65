"""What the base model may be trained on: the training side of every author, and nothing that is held out for anyone.

One model serves all authors, so a text that one of them may train on must not stand among what another is measured on.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from twin_assets.datasets.curation.overlap import SeenTexts
from twin_assets.datasets.curation.splitting import TooLittleTextError, split_documents
from twin_assets.documents import CleanedDocument, SplitRule
from twin_assets.errors import UserError

CORPUS = "base_model.corpus-"
"""How the folder among the artifacts begins in which the corpus lies while the base model is trained on it."""


class Corpus(NamedTuple):
    """The documents that are trained on, and what was left out."""

    documents: list[CleanedDocument]
    held_out_elsewhere: list[CleanedDocument]
    """Documents of a training side that nearly repeat one that is held out, of the same author or of another."""
    without_file: list[str]
    """Authors whose file is gone, and with it the consent to train on their writings."""


def training_side(
    cleaned_documents: Mapping[str, list[CleanedDocument]],
    *,
    authors: Collection[str],
    rule: SplitRule,
) -> Corpus:
    """Return the documents of all authors that may be trained on: held out for nobody, and each text once.

    An author with too little text to hold something out is left out: the others' model does not wait for more of it.

    Args:
        cleaned_documents: Documents by author.
        authors: The authors who have an author file.
        rule: Draws the split.

    Raises:
        UserError: If no author has a file, or none who has one has text enough.
    """
    train: list[CleanedDocument] = []
    held_out = SeenTexts()
    refused: TooLittleTextError | None = None
    for author, documents in sorted(cleaned_documents.items()):
        if author not in authors:
            continue
        try:
            split = split_documents(documents, rule)
        except TooLittleTextError as error:
            refused = error
            continue
        for document in documents:
            if split[document.document_id] != "train":
                held_out.add(document.document_id, document.text)
            elif document.duplicate_of is None:
                train.append(document)
    if refused and not train:
        raise refused
    if not train:
        raise UserError("Nobody whose writings were collected has an author file: add one with `twin author add`.")
    repeating = [document for document in train if held_out.repeated_by(document.text) is not None]
    left_out = {(document.author, document.document_id) for document in repeating}
    return Corpus(
        documents=[document for document in train if (document.author, document.document_id) not in left_out],
        held_out_elsewhere=repeating,
        without_file=sorted(set(cleaned_documents) - set(authors)),
    )
