"""What the commands about registered models do: an author's versions, and which of them is the champion."""

from resources.artifacts import ArtifactStore
from resources.tracker import CHAMPION, Tracker, registered_name
from twin_assets.collection.authors import load_author
from twin_assets.console.instance import local_instance
from twin_assets.console.saying import say
from twin_assets.errors import UserError
from twin_assets.inference.promoting import BY_HAND, record_promotion
from twin_assets.inference.registration import BY_A_PERSON, PROMOTED_BY, PROMOTED_OVER
from twin_assets.settings import Settings


def promote_version(author: str, version: str) -> None:
    """Make a registered version the champion by hand: in the registry, in the registration, and for what reads it."""
    settings = Settings.load()
    load_author(settings.authors_dir, author)
    tracker = Tracker.from_settings(settings)
    name = registered_name(author)
    known = [item.version for item in tracker.versions(name)]
    if version not in known:
        raise UserError(f"{name} has no version {version!r}; it has: {', '.join(known) or 'none yet'}.")
    # The gate reads what a person knew then: what was there already is not promoted over their choice.
    by_hand = {"promotion": BY_HAND, PROMOTED_BY: BY_A_PERSON, PROMOTED_OVER: max(known, key=int)}
    tracker.set_tags(name, version, by_hand)
    tracker.set_alias(name, CHAMPION, version)
    address = tracker.version_url(name, version)
    with local_instance(settings) as instance:
        record_promotion(instance, ArtifactStore.from_settings(settings), author, version, address=address)
    say(f"Version {version} of {name} is the champion now: {address}")
