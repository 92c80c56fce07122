"""Check the files that settings are read from: YAML takes the last of two keys of one name without a word."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from explainct.errors import UserError


def check_files(paths: Iterable[str | Path]) -> None:
    """Check that no settings file has a section or a setting twice.

    Files that are missing or no YAML are left to Snakemake, which names them.

    Args:
        paths: YAML or JSON files.

    Raises:
        UserError: a key occurs twice in one place.
    """
    for path in map(Path, paths):
        try:
            root = yaml.compose(path.read_text(encoding="utf-8-sig"), yaml.SafeLoader)
        except (OSError, UnicodeError, yaml.YAMLError):
            continue
        for name, first, second in _repeated(root):
            raise UserError(
                f"{path} has `{name}` in line {first} and again in line {second}, and the second would replace the "
                f"first. Write everything of `{name}` in one place."
            )


def _repeated(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Yield each key that occurs twice below a node, with its lines, counted from 1."""
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = f"{prefix}{key.value}"
        if name in lines:
            yield name, lines[name], line
        lines[name] = line
        yield from _repeated(value, f"{name}.")
