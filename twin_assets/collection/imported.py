"""The `import` source: documents that `twin import` has put into the warehouse.

They have no other home, so collecting them means keeping them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from twin_assets.collection.contract import SourceContext, options_of
from twin_assets.collection.links import Link
from twin_assets.documents import Author, RawDocument, SourceConfig, content_hash
from twin_assets.errors import UserError

IMPORT_SOURCE = "import"


class ImportOptions(BaseModel):
    """What an author file says of imported documents: nothing."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class ImportedSource:
    """The imported documents of one author."""

    author: str
    imported_documents: Callable[[str], Sequence[RawDocument]]

    @classmethod
    def from_config(cls, author: Author, config: SourceConfig, context: SourceContext) -> "ImportedSource":
        """Return the source.

        Raises:
            UserError: If it is given an option: it has none.
        """
        options_of(author, config, ImportOptions)
        return cls(author.slug, context.imported_documents)

    def fingerprint(self) -> str:
        """Return a hash over the ids and content hashes of the imported documents."""
        return content_hash(
            sorted([document.document_id, document.content_hash] for document in self.imported_documents(self.author))
        )

    def collect(self) -> Iterator[Link]:
        """Yield the imported documents.

        Raises:
            UserError: If nothing was imported for the author.
        """
        documents = self.imported_documents(self.author)
        if not documents:
            raise UserError(f"Nothing was imported for {self.author}: run `twin import DIR` first.")
        for document in documents:
            yield Link(address=document.url or document.title or document.document_id, document=document)
