"""Which modules of the library a script uses, as one hash: Snakemake itself sees only the script.

The hash is of syntax trees without docstrings, so neither a comment nor a docstring runs a job again. A data file
counts with the module that names it as its neighbour, by `with_name` of its name in double quotes. What is chosen by
name from a registry, such as a loss, is not imported by the script: rules name its module themselves.
"""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

MACHINERY = tuple(
    f"explainct/{name}.py"
    for name in (
        "errors",
        "runtime/job",
        "runtime/lock",
        "runtime/log_file",
        "runtime/gpu_slots",
        "runtime/code_hash",
        "learning/losses/registry",
        "learning/networks/registry",
    )
)
"""Modules that decide how a job runs, not what it computes: an edit in them runs nothing again.

So do tables of names: rules hash the entries that their jobs use.
"""


def code_hash(script: str, *modules: str) -> str:
    """Return a hash of the library modules that `workflow/scripts/<script>.py` imports, directly or through others.

    Args:
        script: name of the script.
        modules: further modules that the job imports by name, as `module` or as `module:function`, such as
            `explainct.learning.losses.res:build_res_g`.
    """
    digest = hashlib.sha256("".join(modules).encode())
    for module in modules_of(script, *modules):
        digest.update(module.relative_to(ROOT).as_posix().encode())
        digest.update(_read(module).content)
    return digest.hexdigest()[:16]


def all_hashes() -> dict[str, str]:
    """Return `code_hash` of every script, by name."""
    return {path.stem: code_hash(path.stem) for path in sorted((ROOT / "scripts").glob("*.py"))}


def modules_of(script: str, *modules: str) -> list[Path]:
    """Return the files of the library that `workflow/scripts/<script>.py` and `modules` import, at any depth, sorted.

    Raises:
        FileNotFoundError: there is no such script.
        ModuleNotFoundError: one of `modules` is not in the library.
    """
    found: set[Path] = set()
    waiting = list(_read(ROOT / "scripts" / f"{script}.py").imports)
    for name in modules:
        files = _files([name.partition(":")[0]])
        if not files:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        waiting.extend(files)
    exempt = {ROOT / name for name in MACHINERY}
    while waiting:
        module = waiting.pop()
        if module not in found and module not in exempt:
            found.add(module)
            waiting.extend(_read(module).imports)
    return sorted(found)


class _Module(NamedTuple):
    """What is read of a module.

    Attributes:
        content: what it does, as text, with the data files beside it that it names.
        imports: the library's files that it imports, wherever in the file the import stands.
    """

    content: bytes
    imports: tuple[Path, ...]


@cache
def _read(module: Path) -> _Module:
    """Return a module's content and imports; it is parsed once, since that is half of what the hashes cost."""
    source = module.read_text(encoding="utf-8")
    data = sorted(set(re.findall(r'with_name\("([^"]+)"\)', source)))
    reader = _Reader()
    tree = reader.visit(ast.parse(source))
    content = ast.dump(tree).encode() + b"".join(module.with_name(name).read_bytes() for name in data)
    return _Module(content, _files(reader.names))


class _Reader(ast.NodeTransformer):
    """Takes strings that are statements out of a syntax tree, that is all docstrings, and notes what is imported."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Return the statement, or nothing where it is a string."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def visit_Import(self, node: ast.Import) -> ast.Import:
        """Note the modules that are imported."""
        self.names.update(alias.name for alias in node.names)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """Note the module, and its names, which may be modules too."""
        if node.module:
            self.names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        return node


def _files(names: set[str] | list[str]) -> tuple[Path, ...]:
    """Return the files of those modules among `names` that are in the library."""
    candidates = (ROOT / f"{name.replace('.', '/')}{end}" for name in names for end in (".py", "/__init__.py"))
    return tuple(path for path in candidates if path.is_relative_to(ROOT / "explainct") and path.is_file())
