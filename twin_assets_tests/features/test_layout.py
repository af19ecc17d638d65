import pytest

from twin_assets.features.cleaning import clean_document

PROSE = "A queue is a loan, and the interest is paid by whoever is on call when the evening batch comes in."

SHARE_BOX = (
    "Share this post\n\n#### A queue is a loan\n\nmira.substack.com\n\nCopy link\n\nFacebook\n\nEmail\n\nNote\n\nOther"
)

SUBSTACK = f"""# Mira Voss

SubscribeSign in

{SHARE_BOX}

# A queue is a loan

### You'll pay it back

Mira Voss

Jan 08, 2024

12

{SHARE_BOX}

3

Share

#### You'll pay it back

{PROSE}

* * *

### Interest

{PROSE}

12

{SHARE_BOX}

Share

PreviousNext

#### Discussion about this post

Comments

Restacks

I disagree: a queue is a gift. It is the nicest thing anybody ever gave me, and I will keep it.

Ready for more?

Subscribe

© 2024 Mira Voss
"""


def test_a_substack_page_is_reduced_to_the_post(cleaned_text):
    text = cleaned_text(SUBSTACK, title="A queue is a loan - Mira Voss", subtitle="You'll pay it back")

    assert text == f"# A queue is a loan\n\nYou'll pay it back\n\n{PROSE}\n\n### Interest\n\n{PROSE}"


def test_a_page_without_title_and_subtitle_in_its_fields_is_reduced_as_well(cleaned_text):
    text = cleaned_text(SUBSTACK)

    assert text.startswith("# A queue is a loan\n\nYou'll pay it back\n\n")
    assert "gift" not in text
    assert "Mira" not in text


def test_readers_comments_are_counted_as_such(raw):
    assert clean_document(raw(SUBSTACK)).dropped["comments"] > 100


def test_a_menu_above_the_title_goes_with_the_sites_name(cleaned_text):
    menu = "Mira Voss\n\n  * __Home\n  * __About\n\n__"
    page = f"{menu}\n\n# A queue\n\nAuthor\n\nMira Vos\n\nPublished\n\nJuly 29, 2024\n\n{PROSE}"

    assert cleaned_text(page, title="Mira Voss - A queue") == f"# A queue\n\n{PROSE}"


def test_a_sidebar_of_links_above_the_prose_goes(cleaned_text):
    sidebar = "\n\n* * *\n\n".join(f"  * Topic {i}\n\n    * Page {i}\n\n    * Note {i}" for i in range(4))

    assert cleaned_text(f"# A queue\n\n{sidebar}\n\n{PROSE}", title="A queue") == f"# A queue\n\n{PROSE}"


def test_a_list_with_which_the_author_begins_stays(cleaned_text):
    source = "# A queue\n\n- Work comes in at some rate.\n- Work goes out at some rate.\n- That is all."

    assert cleaned_text(source) == source


@pytest.mark.parametrize("title", ["## Table of Contents", "## **Sections**", "On this page"])
def test_a_table_of_contents_goes(title, cleaned_text):
    source = f"# A\n\n{PROSE}\n\n{title}\n\n- 1. Arithmetic\n- Interest\n\n## Arithmetic\n\nOne.\n\n## Interest\n\nTwo."

    assert cleaned_text(source) == f"# A\n\n{PROSE}\n\n## Arithmetic\n\nOne.\n\n## Interest\n\nTwo."


def test_a_list_called_contents_that_names_no_headings_stays(cleaned_text):
    source = f"{PROSE}\n\n## Contents\n\n- two kilos of flour\n- a pinch of salt"

    assert cleaned_text(source) == source


def test_a_link_card_leaves_its_title_as_text_and_opens_no_section(cleaned_text):
    text = cleaned_text(
        f"{PROSE}\n\n#### Disks fill at night\n\nMira Voss\n\n·\n\nMar 7\n\nRead full story\n\nNow the code."
    )

    assert text == f"{PROSE}\n\nDisks fill at night\n\nNow the code."


def test_a_sentence_that_a_mention_cut_in_three_is_whole_again(cleaned_text):
    text = cleaned_text(
        f"{PROSE}\n\nAs you might know,\n\nIlse Brandt\n\nfrom\n\nDull Hardware Weekly\n\nand I are talking."
    )

    assert text.endswith("\n\nAs you might know, Ilse Brandt from Dull Hardware Weekly and I are talking.")


def test_short_paragraphs_that_are_no_mention_stay_apart(cleaned_text):
    source = f"{PROSE}\n\nWhy?\n\nIlse Brandt\n\nBecause of the lag.\n\nso there"

    assert cleaned_text(source) == source


def test_rules_and_headings_that_separate_nothing_go(cleaned_text):
    assert cleaned_text(f"---\n\n{PROSE}\n\n#\n\n---\n\n---\n\n## A\n\nB.\n\n***\n\nC.\n\n---") == (
        f"{PROSE}\n\n## A\n\nB.\n\n---\n\nC."
    )


@pytest.mark.parametrize(
    "byline", ["Mira Voss, 9 July 2024\nhttps://mira.example/a", "by Mira Voss\n26 November 2023", "Mira Voss"]
)
def test_the_authors_name_with_a_date_and_an_address_is_a_byline(byline, cleaned_text):
    text = cleaned_text(f"Database is locked\n\n{byline}\n\n{PROSE}", media_type="text/plain")

    assert text == f"Database is locked\n\n{PROSE}"
