"""Which versions of a registered model may go, and which packages are of none."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from resources.registry_cleaning import Package, RegistryCopy


def removable_versions(
    copies: Sequence[RegistryCopy], *, present: Collection[str], newest: int, younger_than: timedelta, now: datetime
) -> list[RegistryCopy]:
    """Return the versions that nobody needs, oldest first.

    A version is kept for any one of these reasons: it has an alias (champion, candidate, previous, or one that a person
    gave it), it is a copy of a checkpoint that lies in the store, it is among the newest of its model, or it is young.

    Args:
        copies: The versions of one or of several models.
        present: Data versions of the checkpoints that lie in the store.
        newest: How many of each model are kept whatever their age.
        younger_than: Age up to which all are kept.
        now: The time.
    """
    removable = []
    for name in sorted({copy.name for copy in copies}):
        of_model = sorted((copy for copy in copies if copy.name == name), key=lambda copy: int(copy.version))
        removable += [
            copy
            for copy in of_model[: max(0, len(of_model) - newest)]
            if not copy.aliases and copy.checkpoint not in present and now - copy.created_at > younger_than
        ]
    return removable


def shares_its_copy(copy: RegistryCopy, copies: Sequence[RegistryCopy]) -> bool:
    """Return whether another version names the same folder: then only the version goes."""
    return any(other.source == copy.source and other.version != copy.version for other in copies)


def lost_packages(
    packages: Sequence[Package], copies: Sequence[RegistryCopy], *, younger_than: timedelta, now: datetime
) -> list[Package]:
    """Return the packages that no version names: of registrations that were killed, or versions deleted half.

    Args:
        packages: All there are.
        copies: All versions, listed after the packages: one that was made between is not lost.
        younger_than: Age up to which all are kept, longer than any registration takes.
        now: The time.
    """
    named = {copy.model_id for copy in copies} | {copy.source for copy in copies}
    return [
        package
        for package in packages
        if not {package.model_id, package.source} & named and now - package.created_at > younger_than
    ]
