import pytest

from twin_assets.features.contractions import broken_by_cleaning


@pytest.mark.parametrize(
    "written",
    [
        "For which n can t be negative?",
        "For which n can\nt be negative?",
        "For which n can&nbsp;t be <b>negative</b>?",
        "```python\nSTOP = ['don t', 'can t']\n```\n\nIt is a list.",
        "The words `can t` and `don t` are left out.",
    ],
)
def test_what_the_author_wrote_is_not_broken(raw, cleaned, cleaned_text, written):
    assert broken_by_cleaning(raw(written), cleaned(cleaned_text(written))) == []


def test_what_stands_in_code_needs_no_counterpart(raw, cleaned):
    assert broken_by_cleaning(raw("-"), cleaned("```text\ncan t\n```\n\nIt is `don t`.")) == []


def test_what_cleaning_broke_is_told(raw, cleaned):
    collected = raw("You can't. For which n can t be negative?")

    assert broken_by_cleaning(collected, cleaned("You can t. For which n can t be negative?")) == ["can t"]
    assert broken_by_cleaning(collected, cleaned("You don t.")) == ["don t"]
    assert broken_by_cleaning(None, cleaned("You don t.")) == ["don t"]
