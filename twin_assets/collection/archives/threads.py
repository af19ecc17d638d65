"""Threads: posts that continue the author's own."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

Key = TypeVar("Key", str, int)


def threads_of(keys: Iterable[Key], parents: Mapping[Key, Key]) -> list[list[Key]]:
    """Return the threads in the order of their first posts, each with its posts in order of keys.

    Args:
        keys: The posts, by something that grows with time.
        parents: Of a post that continues another one of the author's, which that is. One that is not among the keys
            was deleted: then the thread begins below it. One that is not older is no parent.
    """
    threads: dict[Key, list[Key]] = {}
    root: dict[Key, Key] = {}
    for key in sorted(keys):
        parent = parents.get(key, key)
        root[key] = root.get(parent, key)
        threads.setdefault(root[key], []).append(key)
    return list(threads.values())
