from datetime import UTC, datetime

from twin_assets.features.boilerplate import LEARNT
from twin_assets.features.corpus import clean_corpus

BOX = "I send one letter a month about queues and databases, and nothing else at all."
WORDS = [
    "A backup that nobody has restored is a rumour, so restore one every Monday and write down how long it took.",
    "Drop the index that no query uses, because every insert pays for it and no reader ever thanks you for that.",
    "The handover note says what is broken, what was tried, and whom to call; all the rest of it can wait a day.",
    "Capacity is a date and no number: the day on which the disk is full, minus the weeks that an order takes us.",
]


def articles(raw, **fields):
    return [
        raw(
            f"{text}\n\n{BOX}",
            document_id=f"doc-{number}",
            published_at=datetime(2024, 1 + number, 1, tzinfo=UTC),
            **fields,
        )
        for number, text in enumerate(WORDS)
    ]


def test_what_repeats_on_a_platform_goes_and_is_counted(raw):
    corpus = clean_corpus(articles(raw))

    assert [document.text for document in corpus.documents] == WORDS
    assert corpus.dropped[LEARNT] == 4 * len(BOX)


def test_what_repeats_is_learnt_for_each_platform_and_category_by_itself(raw):
    platforms = ("blog", "medium", "substack", "devto")
    documents = [
        document.model_copy(update={"platform": platform})
        for document, platform in zip(articles(raw), platforms, strict=True)
    ]

    assert all(BOX in document.text for document in clean_corpus(documents).documents)


def test_the_order_of_the_documents_changes_nothing_but_their_order(raw):
    documents = articles(raw)

    assert clean_corpus(documents[::-1]).documents == clean_corpus(documents).documents[::-1]


def test_a_reused_passage_stays_in_the_document_published_first_whatever_the_order(raw):
    passage = "\n\n".join(f"The course says that {text} {text}" for text in [*WORDS, *map(str.upper, WORDS)])
    filler = {n: " ".join(f"w{chr(97 + n)}{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(500)) for n in range(4)}
    documents = [
        document.model_copy(update={"text": f"{filler[number]}\n\n{passage}"})
        for number, document in enumerate(articles(raw))
    ]

    for collected in (documents, documents[::-1]):
        texts = {document.document_id: document.text for document in clean_corpus(collected).documents}
        assert [name for name in sorted(texts) if "The course says" in texts[name]] == ["doc-0"]


def test_a_cross_post_an_exact_and_a_near_duplicate_are_told_apart(raw):
    long = " ".join(WORDS)
    corpus = clean_corpus(
        [
            raw(f"{long} And a little more.", document_id="kept"),
            raw(f"{long}", document_id="cross", platform="medium"),
            raw(f"{long} And a little more.", document_id="same"),
            raw(f"{long} But not that.", document_id="almost"),
        ]
    )
    kinds = {document.document_id: document.duplicate_kind for document in corpus.documents}

    assert {document.duplicate_of for document in corpus.documents if document.duplicate_kind} <= {"kept", "same"}
    assert sorted(kind or "" for kind in kinds.values()) == ["", "cross-post", "exact", "near"]
    assert (kinds["cross"], kinds["almost"]) == ("cross-post", "near")


def test_personal_data_is_masked_in_text_and_title_and_counted_unless_it_is_switched_off(raw):
    documents = [raw(f"# Ask ann@reed.io\n\n{WORDS[0]}", title="Ask ann@reed.io")]
    corpus = clean_corpus(documents)

    assert corpus.documents[0].title == "Ask [EMAIL]"
    assert "[EMAIL]" in corpus.documents[0].text
    assert corpus.masked == {"email": 2}
    assert "ann@reed.io" in clean_corpus(documents, mask=False).documents[0].text


def test_a_document_of_which_nothing_is_left_is_named(raw):
    corpus = clean_corpus([raw(WORDS[0], document_id="full"), raw("Subscribe\n\nSign in", document_id="hollow")])

    assert [document.document_id for document in corpus.documents] == ["full"]
    assert len(corpus.empty) == 1
    assert "hollow" in corpus.empty[0]


def test_the_language_is_detected_where_none_is_declared(raw):
    assert clean_corpus([raw(WORDS[0])]).documents[0].language == "en"


def test_a_page_whose_elements_are_nested_without_end_is_no_end_of_the_others(raw):
    broken = raw("<div>" * 5000 + "deep" + "</div>" * 5000, document_id="deep", media_type="text/html")
    corpus = clean_corpus([*articles(raw), broken])

    assert [document.text for document in corpus.documents] == WORDS
    assert corpus.empty == ["Document deep cannot be read: its elements are nested too deeply."]
