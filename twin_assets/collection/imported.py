"""The `import` source: documents that `twin import` has put into the warehouse.

They have no other home, so collecting them means keeping them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from twin_assets.documents import RawDocument, content_hash
from twin_assets.errors import UserError

IMPORT_SOURCE = "import"


@dataclass(frozen=True)
class ImportedSource:
    """The imported documents of one author."""

    author: str
    imported_documents: Callable[[str], Sequence[RawDocument]]

    def fingerprint(self) -> str:
        """Return a hash over the ids and content hashes of the imported documents."""
        return content_hash(
            sorted([document.document_id, document.content_hash] for document in self.imported_documents(self.author))
        )

    def collect(self) -> Iterator[RawDocument]:
        """Yield the imported documents.

        Raises:
            UserError: If nothing was imported for the author.
        """
        documents = self.imported_documents(self.author)
        if not documents:
            raise UserError(f"Nothing was imported for {self.author}: run `twin import DIR` first.")
        yield from documents
