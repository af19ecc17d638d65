"""The lists of English words in `vocabulary.yaml`, by name. What they are good for is said where they are used."""

from functools import cache
from importlib.resources import files

import yaml


@cache
def vocabulary(name: str) -> frozenset[str]:
    """Return one list, all in lower case.

    Args:
        name: Its key in the file.

    Raises:
        KeyError: If the file holds no such list.
    """
    text = str(_lists()[name])
    return frozenset(map(str.strip, text.split(","))) if "," in text else frozenset(text.split())


@cache
def _lists() -> dict[str, str]:
    text = files("twin_assets.datasets.extraction").joinpath("vocabulary.yaml").read_text(encoding="utf-8")
    lists: dict[str, str] = yaml.safe_load(text)
    return lists
