from collections import Counter

from twin_assets.features.glued import is_glued, separate

SENTENCES = "".join(
    f"In case number {i} the queue grows faster than anybody can read it.That is the whole story." for i in range(60)
)
HEAD = "Queues | Dull HardwareOpen in appSign upSign inWriteSign upSign inTop highlight"
BYLINE = "Mira Voss·FollowPublished inDull Hardware·16 min read·May 4, 20241.8K12ListenShare"
FOOT = "Sign up to discover human stories that deepen your understanding of the world.FreeWritten by Mira Voss"
PAGE = f"{HEAD}A SERIESQueues are loansYou pay it back{BYLINE}{SENTENCES}{FOOT}"


def parts(text: str) -> list[str]:
    return separate(text, title="Queues are loans", subtitle="You pay it back", dropped=Counter()).split("\n\n")


def test_a_page_read_without_its_breaks_is_known_and_others_are_not():
    assert is_glued(PAGE)
    assert not is_glued(SENTENCES.replace(".", ". "))
    assert not is_glued(SENTENCES[:300])


def test_head_and_foot_of_the_page_go_and_title_and_subtitle_stay():
    text = "\n\n".join(parts(PAGE))

    assert text.startswith("# Queues are loans\n\nYou pay it back\n\nIn case number 0 ")
    assert text.endswith("whole story.")


def test_sentences_that_ran_into_each_other_are_apart():
    assert parts(PAGE)[3] == "That is the whole story."


def test_a_word_that_ran_into_a_heading_is_apart_and_a_product_name_is_whole():
    found = parts("We use retrieval techniquesAdvanced queues of LangChain and PyTorch.")

    assert found == ["We use retrieval techniques", "Advanced queues of LangChain and PyTorch."]


def test_code_in_the_line_is_not_broken_at_its_dots():
    code = "client.search(filter=models.Filter(must=[models.FieldCondition(key='a')]))"

    assert parts(code) == [code]


def test_nothing_but_line_breaks_is_added_or_lost():
    assert "".join("".join(parts(SENTENCES)).split()) == "".join(SENTENCES.split())


def test_a_contraction_is_never_parted(cleaned_text):
    text = cleaned_text(SENTENCES + "Here's why it's what you'd expect.Let\u2019s begin.")

    assert text.endswith("Here's why it's what you'd expect.\n\nLet\u2019s begin.")
