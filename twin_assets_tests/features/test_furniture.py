import pytest

from twin_assets.features.cleaning import clean_document

BODY = "A queue is a loan, and the interest is paid by whoever is on call when the batch arrives in the evening."


@pytest.mark.parametrize(
    "line",
    [
        "Subscribe",
        "SubscribeSign in",
        "Share this post",
        "**Subscribe now**",
        "Sign in",
        "Open in app",
        "Copy link",
        "Start WritingGet the app",
        "Copy linkFacebookEmailNoteOther",
        "Thanks for reading Queues! Subscribe for free to receive new posts and support my work.",
        "Queues is a reader-supported publication. To receive new posts, consider becoming a free or paid subscriber.",
        "We use cookies to give you the best experience. By clicking Accept you agree.",
        "This site requires JavaScript to run correctly. Please turn on JavaScript or unblock scripts",
        "© 2024 Mira Voss",
        "Privacy ∙ Terms ∙ Collection notice",
        "Already a subscriber? Sign in",
        "5 min read",
        "_Image by author_",
        "- Subscribe\n- Share",
        "### Subscribe",
    ],
)
def test_a_line_of_furniture_goes(line, cleaned_text):
    assert cleaned_text(f"{BODY}\n\n{line}\n") == BODY


@pytest.mark.parametrize(
    "sentence",
    [
        "You can subscribe to a Kafka topic.",
        "Subscribe to the topic before you publish.",
        "Share this post-mortem with the team.",
        "Sign in with your own key, then rotate it.",
        "We use cookies to keep the session, which is a mistake.",
        "Note",
        "Copyright is a strange law.",
        "If you liked this, follow me on Mastodon.",
        "Feel free to share it and subscribe.",
        "1. Sign in\n2. Open the queue",
        "- Follow the lag\n- Subscribe to the alert",
        "## Subscribe\n\nA consumer asks for a topic.",
        "## Comments\n\nPut them above the line.",
        "An image by the author of the paper shows the gap.",
        "In 2024 Mira Voss wrote this.",
        "Jan 08, 2024",
        "3",
    ],
)
def test_what_the_author_wrote_stays(sentence, cleaned_text):
    source = f"{BODY}\n\n{sentence}\n\n{BODY} Again."

    assert cleaned_text(source) == source


def test_weak_words_go_only_in_an_unbroken_row_with_a_strong_one(cleaned_text):
    text = cleaned_text(f"{BODY}\n\nNote\n\n{BODY} Again.\n\n7\n\nShare this post\n\nFacebook\n\nNote\n\nOther")

    assert text == f"{BODY}\n\nNote\n\n{BODY} Again."


def test_furniture_inside_code_is_code(cleaned_text):
    code = "```\nSubscribe\n\nSign in\n```"

    assert code in cleaned_text(f"{BODY}\n\n{code}\n\n{BODY} Again.")


def test_reasons_tell_what_was_dropped(raw):
    page = f"{BODY}\n\nSubscribe\n\nSign in\n\nWe use cookies. Accept all cookies\n\n© 2024 Mira\n\n!["
    reasons = clean_document(raw(page)).dropped

    assert {"subscribe and share", "sign in", "cookie notice", "footer"} <= reasons.keys()
