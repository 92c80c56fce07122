"""Read the library's imports, and draw its layers: `make layers` writes docs/layers.svg.

A part is a package of the library two levels deep, such as `learning/train`, or one of its modules on the top level.
"""

import ast
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

LIBRARY = Path(__file__).parents[1] / "workflow/explainct"

LAYERS = (
    ("predict",),
    ("due", "informer", "cfalign", "gax"),
    ("report",),
    ("scoring",),
    ("learning",),
    ("data",),
    ("runtime",),
    ("config",),
    ("errors", "seeds"),
)
"""Packages and modules of the library, from the top down: a layer imports itself and what lies below it."""

BESIDE = "benchmarks"
"""The package beside the layers: it may import all of them, and none imports it."""


def imports(library: Path = LIBRARY) -> Iterator[tuple[str, str]]:
    """Yield who imports whom, as dotted names of modules without `explainct.`, for each import statement."""
    modules = {_dotted(path, library): path for path in sorted(library.rglob("*.py"))}
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in _imported(node):
                # `from package import module` names a module, `from module import function` does not.
                found = next((target[:end] for end in _ends(target) if target[:end] in modules), None)
                if found and found != name:
                    yield name, found


def _dotted(path: Path, library: Path) -> str:
    parts = path.relative_to(library).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(node: ast.AST) -> list[str]:
    """Return the modules, or members of modules, of the library that a node of a syntax tree imports."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name.removeprefix("explainct.") for name in names if name.startswith("explainct.")]


def _ends(name: str) -> Iterator[int]:
    """Yield where a dotted name can end, the longest first."""
    end = len(name)
    while end > 0:
        yield end
        end = name.rfind(".", 0, end)


def part_of(module: str) -> str:
    """Return the part of the library that a module belongs to, such as `learning/train`.

    >>> part_of("learning.train.loop"), part_of("runtime.job"), part_of("seeds")
    ('learning/train', 'runtime', 'seeds')
    """
    parts = module.split(".")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def layer_of(module: str) -> int:
    """Return the number of a module's layer, 0 at the top.

    Raises:
        KeyError: no layer holds the module.
    """
    first = _top(module)
    for number, names in enumerate(LAYERS):
        if first in names:
            return number
    raise KeyError(f"No layer holds explainct.{module}")


def arrows() -> Counter[tuple[str, str]]:
    """Return how many imports lead from each part of the library to each other part."""
    pairs = ((part_of(source), part_of(target)) for source, target in imports())
    return Counter((source, target) for source, target in pairs if source != target)


def upward(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the imports that lead up, from one system into another, or into the benchmarks.

    Args:
        pairs: who imports whom, as modules or as parts.
    """
    return [(source, target) for source, target in pairs if not _may(_top(source), _top(target))]


def _may(source: str, target: str) -> bool:
    if source in (target, BESIDE):
        return True
    return target != BESIDE and layer_of(source) < layer_of(target)


def _top(name: str) -> str:
    return name.replace("/", ".").split(".")[0]


def order(parts: set[str], pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return parts from the top down.

    Raises:
        graphlib.CycleError: some parts import each other in a circle.
    """
    graph = {part: sorted({to for source, to in pairs if source == part and to in parts}) for part in sorted(parts)}
    return list(TopologicalSorter(graph).static_order())[::-1]


def svg() -> str:
    """Return the picture: a row for each layer, a box for each of its parts, and below what each part imports."""
    pairs = arrows()
    parts = {part for pair in pairs for part in pair}
    width, height, margin = 1060, 92, 130
    lines, y = [], 10
    for names in LAYERS:
        here = order({part for part in parts if part.split("/")[0] in names}, pairs)
        if not here:
            continue
        lines.append(f'<text x="10" y="{y + 38}" class="layer">{" ".join(n for n in names if _exists(n))}</text>')
        step = (width - margin) / len(here)
        for number, part in enumerate(here):
            x = margin + number * step
            count = sum(1 for source, _ in pairs if source == part)
            lines.append(f'<rect x="{x:.0f}" y="{y}" width="{step - 8:.0f}" height="{height - 28}" rx="6"/>')
            label = part.split("/")[-1].replace("_", " ")
            lines += [
                f'<text x="{x + (step - 8) / 2:.0f}" y="{y + 24 + 15 * row}" class="part">{word}</text>'
                for row, word in enumerate(label.split())
            ]
            lines.append(f'<text x="{x + (step - 8) / 2:.0f}" y="{y + 56}" class="count">imports {count}</text>')
        y += height
    style = (
        "rect{fill:#eef3f8;stroke:#5b7a99}text{font:13px sans-serif;text-anchor:middle}"
        ".layer{font-weight:bold;text-anchor:start}.count{font-size:10px;fill:#555}"
    )
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}">\n'
        f"<title>Layers of the library: imports lead down only</title>\n<style>{style}</style>\n{body}\n</svg>\n"
    )


def _exists(name: str) -> bool:
    return (LIBRARY / name).is_dir() or (LIBRARY / f"{name}.py").is_file()


if __name__ == "__main__":
    Path(__file__).with_name("layers.svg").write_text(svg(), encoding="utf-8")
    found = arrows()
    print(  # noqa: T201
        f"{len({part for pair in found for part in pair})} parts, {len(found)} arrows, {len(upward(found))} upward",
        *(f"{source} -> {target}" for source, target in upward(found)),
        sep=os.linesep,
    )
