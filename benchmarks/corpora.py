"""What the benchmarks read: the Handbook's dump if it lies beside the checkout, and generated documents."""

import random

from twin_assets.collection.dump import read_dump
from twin_assets.documents import RawDocument, document_id_for
from twin_assets.settings import PROJECT_ROOT

HANDBOOK = PROJECT_ROOT.parent / "shared" / "data" / "handbook"
AUTHOR = "ann-bench"

_SUBJECTS = (
    "The queue",
    "A backup",
    "Every index",
    "The vacuum",
    "Our pager",
    "One replica",
    "The old table",
    "A lock",
)
_VERBS = ("waits for", "outlives", "blocks", "rewrites", "forgets", "repairs", "slows down", "gives way to")
_OBJECTS = (
    "the nightly job",
    "a long transaction",
    "the second disk",
    "an empty page",
    "last week's plan",
    "the cache",
)
_ENDINGS = ("until somebody looks", "before noon", "and nobody is told", "once the disk is full", "in plain sight")


def handbook_documents() -> list[RawDocument] | None:
    """Return the documents of the dump; None where it is not."""
    return read_dump(HANDBOOK).documents if (HANDBOOK / "ArticleDocument.json").is_file() else None


def generated_documents(count: int, *, sentences: int) -> list[RawDocument]:
    """Return as many articles of so many sentences, the same ones each time, no two of them alike."""
    generator = random.Random(0)  # noqa: S311  # sentences, not secrets
    return [
        RawDocument(
            document_id=document_id_for(f"bench:{number}"),
            author=AUTHOR,
            category="articles",
            platform="blog",
            title=f"Note {number}",
            text=" ".join(_sentence(generator, number) for _ in range(sentences)),
            source="folder",
        )
        for number in range(count)
    ]


def edited(document: RawDocument) -> RawDocument:
    """Return the document with a sentence added at its end."""
    return document.model_copy(update={"text": f"{document.text} One more sentence stands here now, and says little."})


def _sentence(generator: random.Random, number: int) -> str:
    parts = [generator.choice(words) for words in (_SUBJECTS, _VERBS, _OBJECTS, _ENDINGS)]
    return f"{parts[0]} {parts[1]} {parts[2]} {parts[3]}, case {number}-{generator.randrange(10_000)}."
