from twin_assets.datasets.curation.overlap import SeenTexts, normal_form, word_runs

TEXT = "The old ferry leaves the western quay at nine and comes back whenever the tide allows it to."


def seen(text: str = TEXT) -> SeenTexts:
    texts = SeenTexts()
    texts.add("somebody else", "An orchard wants pruning in the months when nobody feels like doing it at all.")
    texts.add("ferry", text)
    return texts


def test_a_text_is_found_again_whatever_its_marks_and_capitals() -> None:
    assert seen().repeated_by(TEXT.upper().replace(" ", "\n\n").replace("FERRY", "**FERRY**")) == "ferry"


def test_a_text_with_a_word_changed_is_nearly_the_same() -> None:
    assert seen().repeated_by(TEXT.replace("nine", "ten")) == "ferry"


def test_a_part_of_a_longer_text_is_found_and_so_is_what_holds_it() -> None:
    longer = f"{TEXT} I have taken it twice, and both times it rained so that the deck was empty of people."

    assert seen(longer).repeated_by(TEXT) == "ferry"
    assert seen(TEXT).repeated_by(longer) == "ferry"


def test_texts_on_the_same_subject_are_not_the_same() -> None:
    assert (
        seen().repeated_by("At nine the ferry leaves, and the tide decides when it will be back at its quay.") is None
    )


def test_texts_shorter_than_a_run_are_compared_whole() -> None:
    texts = seen("Two words.")

    assert texts.repeated_by("two words") == "ferry"
    assert texts.repeated_by("two other words") is None


def test_an_empty_text_and_an_empty_memory_are_no_trouble() -> None:
    assert SeenTexts().repeated_by(TEXT) is None
    assert seen().repeated_by("") is None
    assert normal_form(" …\n") == ""
    assert word_runs("one two") == {"one two"}
