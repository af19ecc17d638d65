"""Changes that the platform makes in an author file, which otherwise a person edits: comments and order stay.

ruamel.yaml keeps both in a round trip; PyYAML, which reads author files, would lose them. New files are written by
`authors.write_author`.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.util import load_yaml_guess_indent

from twin_assets.collection.authors import load_author, parse_author
from twin_assets.errors import UserError

Value = bool | int | float | str

WIDE = 4096
"""Characters of a line before it is broken: a person broke the lines already."""


def set_training(authors_dir: Path, slug: str, stage: str, settings: Mapping[str, Value]) -> Path:
    """Write settings below `training: <stage>:` of an author file, whole or not at all, and return its path.

    What stands there of other settings stays.

    Args:
        authors_dir: Folder of the author files.
        slug: The author.
        stage: sft or dpo.
        settings: Values by name.

    Raises:
        UserError: If there is no such author, the file is not valid, or it cannot be written.
    """
    load_author(authors_dir, slug)
    path = authors_dir / f"{slug}.yaml"
    changed = path.with_suffix(".changed")
    try:
        changed.write_text(with_training(path.read_text(encoding="utf-8"), stage, settings), encoding="utf-8")
        # A file that reads otherwise than it was meant must not take the place of one that a person wrote.
        held = getattr(parse_author(changed).training, stage)
        if any(held.get(name) != value for name, value in settings.items()):
            raise UserError(f"{path} cannot hold the settings of {stage}: write them there yourself.")
        os.replace(changed, path)  # noqa: PTH105 - the atomic form is the point
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): mend that first.") from error
    finally:
        changed.unlink(missing_ok=True)
    return path


def with_training(text: str, stage: str, settings: Mapping[str, Value]) -> str:
    """Return the text of an author file with settings below `training: <stage>:`; all else stays as it is."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDE
    yaml.Representer = _Representer
    content, indent, offset = load_yaml_guess_indent(text, yaml=yaml)
    yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    if content.get("training") is None:
        content["training"] = CommentedMap()
    if content["training"].get(stage) is None:
        content["training"][stage] = CommentedMap()
    content["training"][stage].update(settings)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


class _Representer(RoundTripRepresenter):
    """Writes values as PyYAML reads them."""

    def represent_fraction(self, value: float) -> ScalarNode:
        """Write a fraction with a point: PyYAML takes 1e-05 for a text, and 1.0e-05 for a number."""
        text = repr(value)
        if "e" in text and "." not in text:
            text = text.replace("e", ".0e")
        return self.represent_scalar("tag:yaml.org,2002:float", text)


_Representer.add_representer(float, _Representer.represent_fraction)
