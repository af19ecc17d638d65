"""Rule filters: named, versioned predicates, each of which says of one row why it would make a bad example.

A rule is fast, sees one row at a time and can be read by whoever asks why a row is missing. What needs two rows
(duplicates), a document (groundedness) or a judgement (quality) is decided elsewhere.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from twin_assets.datasets.curation.code_fences import code_fault
from twin_assets.datasets.curation.contract import Row
from twin_assets.datasets.curation.options import CurationOptions
from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.datasets.curation.rows import answer_of, is_written, prompt_of, texts_of
from twin_assets.datasets.extraction.blocks import blocks
from twin_assets.datasets.extraction.fitness import is_finished, is_item, leads_in
from twin_assets.datasets.generation.instructions import LONGEST_SHARED_RUN
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow
from twin_assets.training.chat_template import holds_marker

CountTokens = Callable[[str], int]

_REFUSAL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language)(?: language)? (?:model|assistant|chatbot)\b|"
    r"\b(?:I|we) (?:cannot|can't|can not|am unable to|'m unable to|am not able to|won't be able to) "
    r"(?:assist|help (?:you )?with|fulfil|comply|answer (?:that|this|your)|provide (?:that|this|you)|access|browse)\b|"
    r"^\W*(?:I'm|I am) (?:sorry|afraid),? (?:but )?(?:I|we) (?:cannot|can't|am unable|don't have)\b|"
    r"\bmy (?:knowledge cutoff|training data)\b",
    re.IGNORECASE,
)
_PROMOTION = re.compile(
    r"\bsubscribe (?:to (?:my|our|us)|now|below|here|for (?:free|more))\b|"
    r"\b(?:hit|smash) (?:the )?(?:like|subscribe)\b|"
    r"\bsign up (?:for|to) (?:my|our)\b|\bclick here\b|\bfollow (?:me|us) (?:on|for)\b|"
    r"\bthank(?:s| you) for reading\b|\bin the comments\b|\bjoin (?:my|our) (?:newsletter|community|list)\b",
    re.IGNORECASE,
)
_NAMES_ITS_SOURCE = re.compile(
    r"\b(?:the|this|that|given|provided|above|following) (?:\w+ )?(?:text|extract|excerpt|passage|snippet|context)\b|"
    r"\b(?:the|this) (?:author|writer)\b|"
    r"\baccording to (?:the|this) (?:document|article|post|author)\b",
    re.IGNORECASE,
)
_CODE_KINDS = frozenset({"function", "class", "file", "purpose", "code"})


@dataclass(frozen=True)
class Corpus:
    """What the rules know besides the row.

    Attributes:
        options: The bounds.
        languages: Language of each document, by `document_id`.
        main_languages: The languages that the author writes in; all are, if there are none.
        count_tokens: Counts the tokens of a text: by default words at white space, of which English prose has about
            three to four tokens of a BPE tokenizer.
    """

    options: CurationOptions
    languages: Mapping[str, str | None] = field(default_factory=dict)
    main_languages: frozenset[str] = frozenset()
    count_tokens: CountTokens = lambda text: len(text.split())


@dataclass(frozen=True)
class Filter:
    """One rule.

    Attributes:
        name: Name with its version, such as "refusal@1": the number is raised with every change of what it finds.
        reason: What is said of a row that it drops.
        objects: Whether it drops a row.
    """

    name: str
    reason: str
    objects: Callable[[InstructRow | PreferenceRow, Corpus], bool]


def corpus_of(
    documents: Sequence[CleanedDocument], options: CurationOptions, count_tokens: CountTokens | None = None
) -> Corpus:
    """Return what the rules need to know of an author's documents."""
    words: Counter[str] = Counter()
    for document in documents:
        if document.language and document.duplicate_of is None:
            words[document.language] += document.n_words
    least = options.min_language_share * words.total()
    corpus = Corpus(
        options=options,
        languages={document.document_id: document.language for document in documents},
        main_languages=frozenset(language for language, count in words.items() if count >= least),
    )
    return corpus if count_tokens is None else Corpus(options, corpus.languages, corpus.main_languages, count_tokens)


def apply_filters(rows: Sequence[Row], corpus: Corpus) -> tuple[list[Row], Counter[str]]:
    """Return the rows that no rule objects to, and how many were dropped, by reason; the first rule counts."""
    dropped: Counter[str] = Counter()
    kept = []
    for row in rows:
        reason = next((rule.reason for rule in FILTERS if rule.objects(row, corpus)), None)
        if reason is None:
            kept.append(row)
        else:
            dropped[reason] += 1
    return kept, dropped


def _is_empty(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    return not all(normal_form(text) for text in texts_of(row))


def _is_short(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    answer = answer_of(row)
    return "```" not in answer and corpus.count_tokens(answer) < corpus.options.min_answer_words


def _is_long(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    return corpus.count_tokens(answer_of(row)) > corpus.options.max_answer_words


def _asks_at_length(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    return corpus.count_tokens(prompt_of(row)) > corpus.options.max_instruction_words


def _is_of_another_language(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    language = corpus.languages.get(row.document_id)
    return language is not None and bool(corpus.main_languages) and language not in corpus.main_languages


def _is_refusal(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    # What the author published is no refusal, even if it quotes one: a passage on chatbots does.
    may_refuse = is_written(row) or row.document_id == "" or isinstance(row, PreferenceRow)
    texts = (row.answer,) if isinstance(row, InstructRow) else (row.rejected,)
    return may_refuse and any(_REFUSAL.search(text.replace("\u2019", "'")) for text in texts)


def _promotes(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    return bool(_PROMOTION.search(answer_of(row)))


def _is_unfinished(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    """Whether the last paragraph breaks off; a list (typed with arrows, too), a table or code may not end in a stop."""
    parts = blocks(answer_of(row))
    last = parts[-1] if parts else None
    if last is None or last.kind != "paragraph" or row.category == "posts" or _is_code(row):
        return False
    return leads_in(last) or not (is_item(last) or is_finished(last.plain))


def _is_code(row: InstructRow | PreferenceRow) -> bool:
    kind = row.kind if isinstance(row, InstructRow) else ""
    return row.category == "repositories" and (kind in _CODE_KINDS or answer_of(row).lstrip().startswith("```"))


def _answers_itself(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    """Whether the instruction repeats a run of the answer's words; a function is asked for in its docstring's words."""
    if _is_code(row):
        return False
    asked, answer = normal_form(prompt_of(row)).split(), f" {normal_form(answer_of(row))} "
    runs = (" ".join(asked[i : i + LONGEST_SHARED_RUN]) for i in range(len(asked) - LONGEST_SHARED_RUN + 1))
    return any(f" {run} " in answer for run in runs)


def _names_its_source(row: InstructRow | PreferenceRow, corpus: Corpus) -> bool:
    return bool(_NAMES_ITS_SOURCE.search(prompt_of(row)))


FILTERS = (
    Filter("empty@1", "empty text", _is_empty),
    Filter("marker@1", "holds a marker of the chat template", lambda row, _: any(map(holds_marker, texts_of(row)))),
    Filter("short@1", "answer too short", _is_short),
    Filter("long@1", "answer too long", _is_long),
    Filter("long_instruction@1", "instruction too long", _asks_at_length),
    Filter("language@1", "in a language the author hardly writes", _is_of_another_language),
    Filter("fences@1", "code fence left open", lambda row, _: code_fault(answer_of(row)) == "open"),
    Filter("code@1", "code that does not parse", lambda row, _: code_fault(answer_of(row)) == "unparsable"),
    Filter("refusal@1", "refusal of a language model", _is_refusal),
    Filter("promotion@1", "promotion", _promotes),
    Filter("unfinished@1", "unfinished sentence", _is_unfinished),
    Filter("answers_itself@1", "instruction holds a piece of the answer", _answers_itself),
    Filter("names_source@1", "instruction names the text it was made from", _names_its_source),
)
"""All rules, the cheapest and the plainest first."""
