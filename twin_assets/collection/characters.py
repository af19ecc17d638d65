"""Characters that are none: halves of surrogate pairs, which JSON and headers may hold and UTF-8 cannot."""


def whole_characters(text: str) -> str:
    """Return a text in which the replacement character stands for each half of a surrogate pair."""
    # Most texts have none, and testing that is far quicker than writing the text anew.
    if _is_whole(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
