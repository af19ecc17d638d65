from collections.abc import Callable

import pytest

from twin_assets.documents import InstructRow, PreferenceRow, content_hash


@pytest.fixture
def make_pair(make_row: Callable[..., InstructRow]) -> Callable[..., PreferenceRow]:
    def make(chosen: str, rejected: str, prompt: str | None = None, **fields: object) -> PreferenceRow:
        row = make_row(chosen, **fields)
        return PreferenceRow(
            prompt=prompt or row.instruction,
            chosen=chosen,
            rejected=rejected,
            author=row.author,
            category=row.category,
            document_id=row.document_id,
            start=row.start,
            end=row.end,
            rejected_by="base",
            prompt_hash=content_hash([chosen, rejected]),
            split=row.split,
            generator=row.generator,
        )

    return make
