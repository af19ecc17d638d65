import pytest


@pytest.fixture
def post(cleaned_text):
    return lambda text, **fields: cleaned_text(text, category="posts", platform="linkedin", **fields)


def test_line_breaks_hashtags_mentions_and_addresses_stay(post):
    text = "Nobody reads the runbook.\nI asked @jo.\n\nhttps://mira-voss.example/runbook #queues"

    assert post(text) == text


def test_a_short_list_of_things_is_no_menu(post):
    items = "\n".join(f"- {word}" for word in ("rice", "tea", "salt", "oil", "beans", "lime", "corn", "oats", "milk"))

    assert post(f"My list:\n\n{items}\n\nThat is all I ever need in a week of writing, honestly.").count("- ") == 9


def test_a_first_line_that_is_a_name_stays_in_a_post_and_goes_from_an_article(post, cleaned_text):
    text = "Mira Voss\n\nThis is what I learnt about handovers in a year of being called at night."

    assert post(text).startswith("Mira Voss")
    assert cleaned_text(text).startswith("This is")


def test_buttons_that_were_copied_along_go(post):
    assert post("Something I wrote about it.\n\nShare this post\n\nCopy link") == "Something I wrote about it."


def test_the_label_that_screen_readers_hear_goes_and_the_word_stays(post):
    assert (
        post("On call.\n\nhashtag#oncall hashtag #sre\n\nUse one hashtag.")
        == "On call.\n\n#oncall #sre\n\nUse one hashtag."
    )


def test_a_shortened_address_is_written_in_full(post):
    link = "[mira-voss.example/a-backup-is…](https://mira-voss.example/a-backup-is-a-rumour)"

    assert post(f"Read {link} today.") == "Read https://mira-voss.example/a-backup-is-a-rumour today."


def test_the_address_of_a_mastodon_export_is_whole(post):
    html = (
        '<p>New: <a href="https://mira-voss.example/handover-note"><span class="invisible">https://</span>'
        '<span class="ellipsis">mira-voss.example/hando</span><span class="invisible">ver-note</span></a></p>'
    )

    assert post(html, media_type="text/html") == "New: https://mira-voss.example/handover-note"


def test_bold_letters_of_a_post_are_letters(post):
    bold = "".join(chr(0x1D5D4 + ord(letter) - ord("A")) for letter in "STOP")

    assert post(f"{bold} doing it.") == "STOP doing it."
