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
        digest.update(_content(module))
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
    waiting = list(_imports(ROOT / "scripts" / f"{script}.py"))
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
            waiting.extend(_imports(module))
    return sorted(found)


@cache
def _content(module: Path) -> bytes:
    """Return what a module does, as text, with the data files beside it that it names."""
    source = module.read_text(encoding="utf-8")
    data = sorted(set(re.findall(r'with_name\("([^"]+)"\)', source)))
    tree = _WithoutDocstrings().visit(ast.parse(source))
    return ast.dump(tree).encode() + b"".join(module.with_name(name).read_bytes() for name in data)


class _WithoutDocstrings(ast.NodeTransformer):
    """Takes strings that are statements out of a syntax tree: docstrings of modules, classes, functions, constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node


@cache
def _imports(module: Path) -> tuple[Path, ...]:
    """Return the library files that `module` imports, wherever in the file the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return _files(names)


def _files(names: set[str] | list[str]) -> tuple[Path, ...]:
    """Return the files of those modules among `names` that are in the library."""
    candidates = (ROOT / f"{name.replace('.', '/')}{end}" for name in names for end in (".py", "/__init__.py"))
    return tuple(path for path in candidates if path.is_relative_to(ROOT / "explainct") and path.is_file())
