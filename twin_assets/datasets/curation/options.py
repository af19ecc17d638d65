"""What can be chosen about curation, with the defaults and where they come from."""

from pydantic import Field

from twin_assets.datasets.curation.balance import MAX_SHARE_OF_DOCUMENT
from twin_assets.datasets.curation.duplicates import SEMANTIC
from twin_assets.datasets.curation.groundedness import MIN_SUPPORT
from twin_assets.datasets.curation.overlap import NEAR
from twin_assets.documents import Entity, SplitRule


class CurationOptions(Entity):
    """How rows become a dataset. The same options and rows give the same dataset."""

    min_answer_words: int = Field(default=8, ge=1, description="Fewest words of an answer, code excepted")
    max_answer_words: int = Field(default=600, ge=1, description="Most words of an answer")
    max_instruction_words: int = Field(default=200, ge=1, description="Most words of an instruction")
    min_language_share: float = Field(
        default=0.2, ge=0, le=1, description="Languages with a smaller share of the author's words are left out"
    )
    min_support: float = Field(
        default=MIN_SUPPORT, ge=0, le=1, description="Least share of a written answer's sentences that is supported"
    )
    near: float = Field(
        default=NEAR, gt=0, le=1, description="Share of word 5-grams from which two texts are nearly the same"
    )
    semantic: float = Field(
        default=SEMANTIC, gt=0, le=1, description="Cosine of the embeddings from which two answers say the same"
    )
    min_quality: int = Field(default=3, ge=1, le=4, description="Least score of a row that the judge has scored")
    split_rule: SplitRule | None = Field(
        default=None, description="How documents are drawn; without it rows keep the side they came with"
    )
    compare_with_held_out_documents: bool = Field(
        default=True,
        description="Decontaminate against the whole text of held-out documents, which evaluation reads, too",
    )
    max_share_of_kind: float = Field(default=1.0, gt=0, le=1, description="Largest share of one kind in training rows")
    max_share_of_category: float = Field(
        default=1.0, gt=0, le=1, description="Largest share of one category in training rows"
    )
    max_share_of_document: float = Field(
        default=MAX_SHARE_OF_DOCUMENT, gt=0, le=1, description="Largest share of one document in training rows"
    )
    max_length_ratio: float = Field(
        default=5.0, gt=1, description="Pairs: how many times as long as the other text one of the two may be"
    )
