"""Which code a result was made by: the commit of the checkout, where there is one, and the page that shows it."""

import re
import subprocess
from functools import cache
from pathlib import Path

from twin_assets.documents import Entity
from twin_assets.settings import PROJECT_ROOT

SECONDS = 10
"""How long git may take to answer."""

_HOSTED = re.compile(r"^(?:https://(?:[^@/]+@)?|ssh://git@|git@)([^/:]+)[/:](.+?)(?:\.git)?/?$")


class Commit(Entity):
    """A state of the code."""

    sha: str
    """Hash of the commit."""
    changed: bool
    """Whether files under version control differed from it."""
    url: str | None
    """Page that shows it, if the checkout has a remote named origin on a host."""

    @property
    def text(self) -> str:
        """The short hash, and whether it is all."""
        return self.sha[:12] + (" with changes" if self.changed else "")


@cache
def commit_of(folder: Path = PROJECT_ROOT) -> Commit | None:
    """Return the commit that a folder is a checkout of; None if it is none, or there is no git."""
    sha = _git(folder, "rev-parse", "HEAD")
    if not sha:
        return None
    remote = _git(folder, "remote", "get-url", "origin")
    hosted = _HOSTED.match(remote) if remote else None
    return Commit(
        sha=sha,
        changed=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")),
        url=f"https://{hosted[1]}/{hosted[2]}/commit/{sha}" if hosted else None,
    )


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says, None if it cannot: a wheel and a container have no repository, which is no fault."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
