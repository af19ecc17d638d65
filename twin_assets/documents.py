"""The domain entities: what flows through the graph, from an author to a dataset row.

Each entity is one pydantic model. Its fields, in order, are the columns of the table in which it is stored, and each
field's description is that column's description in the Dagster UI: the definition stands here and nowhere else.
No I/O, no Dagster and no text processing belongs in this module.
"""

import hashlib
import json
import re
import uuid
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

SLUG_PATTERN = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
"""The form of an author slug, which is also the partition key and a part of file and collection names."""

Category = Literal["articles", "posts", "repositories"]
CATEGORIES: tuple[Category, ...] = ("articles", "posts", "repositories")

DuplicateKind = Literal["exact", "near", "cross-post"]

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_ID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://twin-assets.example/ids")


class Entity(BaseModel):
    """The common base: immutable, and strict about fields that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RawDocument(Entity):
    """One article, post or repository as it was collected, before any cleaning."""

    document_id: str = Field(
        description="UUID of the document: UUIDv5 of its canonical URL, or the id it was imported with"
    )
    author: str = Field(description="Slug of the author, the partition key")
    category: Category = Field(description="articles, posts or repositories: decides how the text is processed")
    platform: str = Field(description="Where it was published, as the source names it")
    url: str | None = Field(default=None, description="Canonical address of the document")
    title: str | None = Field(default=None, description="Title as published")
    subtitle: str | None = Field(default=None, description="Subtitle as published")
    published_at: datetime | None = Field(default=None, description="Publication time, UTC")
    updated_at: datetime | None = Field(default=None, description="Time of the last edit as the source gives it, UTC")
    language: str | None = Field(default=None, description="Language as declared by the source (ISO 639-1)")
    relation: Literal["original", "reply", "repost"] = Field(
        default="original", description="original; reply: to somebody else; repost: somebody else's words"
    )
    revision: str | None = Field(default=None, description="Commit id of a repository")
    media_type: Literal["text/markdown", "text/html", "text/plain"] = Field(
        default="text/markdown", description="Form of the text; a repository file is text/plain"
    )
    text: str | None = Field(default=None, description="Text as collected (articles and posts)")
    files: dict[str, str] | None = Field(default=None, description="Relative path to file text (repositories)")
    source: str = Field(description="Kind of source that collected it, as in the author file")
    position: int = Field(
        default=0, description="0-based place among the records of its source: the order of an export"
    )
    native: dict[str, Any] | None = Field(
        default=None, description="The imported record, field by field, so that an export gives it back"
    )

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON of what was collected: an edit is a new hash under the same id."""
        return content_hash(self.model_dump(mode="json", exclude={"position"}))


class KnownDocument(Entity):
    """What the warehouse holds of a document before a collection, without its text."""

    document_id: str = Field(description="UUID of the document")
    content_hash: str = Field(description="SHA-256 of what was collected")
    address: str = Field(description="URL, else title, else id: how a person finds it")
    platform: str = Field(description="Where it was published")


class KnownPage(Entity):
    """One page that a source of an author named, as it was last seen."""

    url: str = Field(description="Address as the source names it")
    etag: str | None = Field(default=None, description="ETag header of the last answer")
    last_modified: str | None = Field(default=None, description="Last-Modified header of the last answer")
    fetched_at: datetime | None = Field(default=None, description="When the page last answered, UTC")
    crawl: str = Field(default="", description="Crawl in which it was last looked at")
    times_missing: int = Field(default=0, ge=0, description="Crawls in a row that were told 404 or 410")
    note: str = Field(default="", description="What was said of it when it was last fetched, to be said again")
    made_by: str = Field(default="", description="Hash of the options and the code that made the document")
    document: RawDocument | None = Field(default=None, description="The page as last collected")


class CleanedDocument(Entity):
    """One document as clean Markdown, ready for chunking, datasets and style measurement."""

    document_id: str = Field(description="UUID of the document, as in raw_documents")
    author: str = Field(description="Slug of the author")
    category: Category = Field(description="articles, posts or repositories")
    platform: str = Field(description="Where it was published")
    url: str | None = Field(description="Canonical address")
    title: str | None = Field(description="Title, without site furniture")
    text: str = Field(description="Clean Markdown: no navigation, structure and code intact")
    language: str | None = Field(description="Language (ISO 639-1): detected, or declared where there is little prose")
    published_at: datetime | None = Field(description="Publication time, UTC")
    content_hash: str = Field(description="SHA-256 of the collected document this text was made from")
    duplicate_of: str | None = Field(description="document_id of the document that this one nearly repeats")
    n_words: int = Field(description="Words in text, split at white space")
    duplicate_kind: DuplicateKind | None = Field(
        default=None, description="How duplicate_of is repeated: exact, near, or cross-post (on another platform)"
    )


class Chunk(Entity):
    """One passage of a cleaned document, small enough for the embedding model to read whole."""

    chunk_id: str = Field(description="UUIDv5 of document, text and occurrence: unmoved by edits elsewhere")
    document_id: str = Field(description="Document the passage stands in")
    author: str = Field(description="Slug of the author")
    category: Category = Field(description="articles, posts or repositories")
    position: int = Field(description="0-based position of the passage in its document")
    headings: list[str] = Field(description="Headings above the passage, outermost first")
    text: str = Field(description="The passage, verbatim: cleaned text from start to end")
    start: int = Field(description="Offset of the first character in the cleaned text")
    end: int = Field(description="Offset after the last character in the cleaned text")
    n_tokens: int = Field(description="Tokens for the embedding model, special tokens included")
    parent_start: int | None = Field(
        default=None, description="Offset of the first character of the larger passage to read it in (small-to-big)"
    )
    parent_end: int | None = Field(default=None, description="Offset after the last character of that passage")


class SplitRule(Entity):
    """How documents are drawn for training, validation and test; every stage has to use the same."""

    seed: int = Field(default=0, description="Another seed gives another draw")
    test_fraction: float = Field(default=0.15, description="Share of the documents to hold out, in (0, 1)")
    validation_fraction: float = Field(
        default=0.0, description="Share to keep for choosing between trainings, in [0, 1 - test_fraction)"
    )
    test_since: date | None = Field(
        default=None, description="If given, what was first published since this day is the test side, and nothing else"
    )


class InstructRow(Entity):
    """One instruction with an answer grounded in the author's own text."""

    instruction: str = Field(description="What a person would ask")
    answer: str = Field(description="The author's passage, verbatim")
    author: str = Field(description="Slug of the author")
    category: Category = Field(description="articles, posts or repositories")
    document_id: str = Field(description="Document the answer stands in")
    start: int = Field(description="Offset of the answer's first character in the cleaned text")
    end: int = Field(description="Offset after the answer's last character in the cleaned text")
    generator: str = Field(description="What wrote the row, with its version, such as extractive@1 or teacher@1")
    prompt_hash: str = Field(description="SHA-256 of the template or prompt and its inputs")
    split: Split = Field(description="train, validation or test; a document and its near-duplicates share one side")
    kind: str = Field(default="", description="What is asked for: explain, write, continue, summarise, code, ...")
    passage_start: int | None = Field(default=None, description="Offset of the passage that a written answer rests on")
    passage_end: int | None = Field(default=None, description="Offset after that passage; none if answer is verbatim")
    support: float = Field(default=1.0, description="Share of the answer's sentences that its passage supports, 0 to 1")
    quality: int | None = Field(default=None, description="Judge's score, 1 (useless) to 4 (excellent); none unasked")
    quality_reason: str | None = Field(default=None, description="Judge's reason for the score")
    calls: list[str] = Field(default_factory=list, description="Keys of the language model's calls behind the row")
    cost: float = Field(default=0.0, description="Price of those calls that is the row's own share, in US dollars")

    @property
    def row_id(self) -> str:
        """Twelve digits of the hash of what is asked and answered, by which a person names the row."""
        return content_hash([self.instruction, self.answer, self.document_id])[:12]


class PreferenceRow(Entity):
    """One prompt with the author's own passage against a text that a model wrote."""

    prompt: str = Field(description="What a person would ask")
    chosen: str = Field(description="The author's passage, verbatim")
    rejected: str = Field(description="What a model wrote for the same prompt")
    author: str = Field(description="Slug of the author")
    category: Category = Field(description="articles, posts or repositories")
    document_id: str = Field(description="Document that chosen stands in")
    start: int = Field(description="Offset of chosen's first character in the cleaned text")
    end: int = Field(description="Offset after chosen's last character in the cleaned text")
    rejected_by: str = Field(description="Model that wrote rejected: its data version and generation settings")
    prompt_hash: str = Field(description="SHA-256 of the prompt, the model and the generation settings")
    split: Split = Field(description="train, validation or test, as the document's rows in instruct_dataset")
    generator: str = Field(default="", description="What made the pair: model@1, teacher@1, feedback@1 or import@1")
    calls: list[str] = Field(default_factory=list, description="Keys of the language model's calls behind the pair")
    cost: float = Field(default=0.0, description="Price of those calls that is the pair's own share, in US dollars")

    @property
    def row_id(self) -> str:
        """Twelve digits of the hash of the pair, by which a person names it."""
        return content_hash([self.prompt, self.chosen, self.rejected, self.document_id])[:12]


class Rejection(Entity):
    """One text that a model wrote for a prompt, as it came: kept beside the pairs, so that it is not written twice."""

    prompt_hash: str = Field(description="SHA-256 of the prompt, the model and the generation settings")
    text: str = Field(description="What the model wrote, whole, also where no pair was made of it")
    rejected_by: str = Field(description="Model that wrote it: its data version and generation settings")


class BaseModelRef(Entity):
    """The model that is fine-tuned: where it lies, and what exactly it is."""

    location: str = Field(description="Folder or hub id, as AutoModelForCausalLM.from_pretrained takes it")
    revision: str | None = Field(description="Revision of a hub model")
    licence: str = Field(description="Licence of the weights")
    version: str = Field(description="Hash of the weights, or of hub id and revision")
    n_parameters: int | None = Field(description="Number of parameters; None if the hub could not be asked")


class SourceConfig(BaseModel):
    """One entry under `sources` in an author file; what else it may hold is the source's own business."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Kind of source, a key of `collection.sources.SOURCES`")


class Consent(Entity):
    """Who allowed a twin to be built from these writings."""

    given_by: str = Field(min_length=1, description="Person who gave consent")
    note: str = Field(default="", description="How and when it was given, or what it covers")


class Privacy(Entity):
    """What is done about personal data in the writings."""

    mask: bool = Field(
        default=True, description="Replace e-mail addresses, phone numbers, IP addresses and secrets by placeholders"
    )


class DatasetConfig(Entity):
    """One entry under `datasets` in an author file: rows that were made elsewhere."""

    path: str = Field(min_length=1, description="File or folder, relative to the author file")
    form: str | None = Field(
        default=None, description="alpaca, sharegpt, messages, dpo or handbook; recognised by its fields without it"
    )
    on_fault: Literal["refuse", "drop"] = Field(
        default="refuse", description="Whether a record that cannot be used stops the import, or is dropped and counted"
    )


class TrainingPolicy(Entity):
    """How an author's models are trained and promoted, where it is not as for everybody."""

    approval: bool = Field(
        default=False, description="Whether a person has to approve a candidate before it becomes the champion"
    )
    min_new_samples: int = Field(
        default=1, ge=1, description="Rows that are new since the last training before it is trained again by itself"
    )
    min_hours_between: float = Field(
        default=0.0, ge=0, description="Hours since the last training before it is trained again by itself"
    )
    sft: dict[str, str | int | float | bool] = Field(
        default={}, description="Settings of supervised fine-tuning that differ from the defaults"
    )
    dpo: dict[str, str | int | float | bool] = Field(
        default={}, description="Settings of preference optimisation that differ from the defaults"
    )


class Author(BaseModel):
    """One author file: whose writings, from where, and with whose consent."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(description="Partition key; the name of the file without .yaml")
    name: str = Field(min_length=1, description="Name as a reader knows it")
    sources: list[SourceConfig] = Field(min_length=1, description="Where the writings come from")
    consent: Consent = Field(description="Nothing is collected without it")
    privacy: Privacy = Field(default=Privacy(), description="What is done about personal data in the writings")
    datasets: list[DatasetConfig] = Field(default=[], description="Rows made elsewhere, for the generator import")
    training: TrainingPolicy = Field(default=TrainingPolicy(), description="How its models are trained and promoted")

    @field_validator("slug")
    @classmethod
    def _slug_is_well_formed(cls, slug: str) -> str:
        return checked_slug(slug)


def checked_slug(slug: str) -> str:
    """Return `slug` if it may name a partition.

    Raises:
        ValueError: If it is not 1 to 63 lower-case letters, digits and hyphens, beginning with a letter or digit.
    """
    if not SLUG_PATTERN.fullmatch(slug):
        raise ValueError(
            f"{slug!r} is not a valid author slug: use 1 to 63 lower-case letters, digits and hyphens, "
            "and begin with a letter or digit, as in 'mira-voss'."
        )
    return slug


def document_id_for(identity: str) -> str:
    """Return the UUIDv5 that names the document with this canonical URL, or with this `platform:native-id`."""
    return str(uuid.uuid5(_ID_NAMESPACE, identity))


def chunk_id_for(document_id: str, text: str, occurrence: int) -> str:
    """Return the UUIDv5 of a passage.

    It depends on the passage's own text, so an edit at the top of a document leaves the ids of the untouched passages
    alone; `occurrence` (0-based) tells equal passages of one document apart.
    """
    return str(uuid.uuid5(_ID_NAMESPACE, f"{document_id}:{text_hash(text)}:{occurrence}"))


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def content_hash(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON: sorted keys, no spaces, UTF-8.

    Raises:
        TypeError: If the value holds something that JSON cannot.
    """
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text_hash(canonical)
