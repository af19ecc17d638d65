"""How much of the feature stage is saved when nothing, or one sentence, has changed."""

import tempfile

from benchmarks.timing import print_figure, seconds_of
from resources.embedder import Embedder
from resources.vector_store import VectorStore
from twin_assets.collection.folder import FolderSource
from twin_assets.documents import CATEGORIES, Chunk, CleanedDocument
from twin_assets.features.chunking import build_splitter, chunk_document
from twin_assets.features.cleaning import clean_document
from twin_assets.settings import PROJECT_ROOT

AUTHOR = "mira-voss"
EDIT = " One more sentence stands here now, and it says nothing at all."


def run() -> None:
    """Measure cleaning, chunking and embedding of a sample author: first, unchanged, and with one sentence added."""
    raw = list(FolderSource(AUTHOR, PROJECT_ROOT / "samples" / AUTHOR).collect())
    embedder = Embedder()
    splitter = build_splitter(embedder.tokenizer_file)
    documents = [result.document for result in map(clean_document, raw) if result.document]
    megabytes = sum(len(document.text.encode()) for document in documents) / 1e6
    chunks = [chunk for document in documents for chunk in chunk_document(document, splitter)]
    embedder.encode(["Loading the model is not what is measured."])

    cleaning = seconds_of(lambda: [clean_document(document) for document in raw])
    chunking = seconds_of(lambda: [chunk_document(document, splitter) for document in documents])
    with tempfile.TemporaryDirectory() as folder:
        store = VectorStore(folder=folder, model_name=embedder.model_name)
        first = seconds_of(lambda: _sync(store, chunks, embedder), runs=1)
        unchanged = seconds_of(lambda: _sync(store, chunks, embedder))
        edited = _edited(documents)
        edited_chunks = [chunk for document in edited for chunk in chunk_document(document, splitter)]
        one_edit = seconds_of(lambda: _sync(store, edited_chunks, embedder), runs=1)
    print_figure(f"clean {megabytes:.2f} MB", cleaning, against="embedding it", reference=first)
    print_figure(f"chunk {megabytes:.2f} MB", chunking, against="embedding it", reference=first)
    print_figure("embed again, nothing changed", unchanged, against="the first time", reference=first)
    print_figure("embed again, one sentence added", one_edit, against="the first time", reference=first)


def _sync(store: VectorStore, chunks: list[Chunk], embedder: Embedder) -> None:
    with store.session(AUTHOR) as session:
        for category in CATEGORIES:
            session.sync(category, [chunk for chunk in chunks if chunk.category == category], embedder)


def _edited(documents: list[CleanedDocument]) -> list[CleanedDocument]:
    first, *rest = documents
    return [first.model_copy(update={"text": first.text.rstrip() + EDIT}), *rest]
