"""Which modules of the library a script uses, as one hash: Snakemake itself sees only the script.

A data file counts with the module that names it as its neighbour, by `with_name` of its name in double quotes.
"""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Every script reads settings, but the values that it uses are parameters of its rule: a new setting elsewhere
# must not rerun it.
IGNORED = {ROOT / "explainct/config/__init__.py"}


def code_hash(script: str) -> str:
    """Return a hash of the library modules that `workflow/scripts/<script>.py` imports, directly or through others."""
    digest = hashlib.sha256()
    for module in modules_of(script):
        digest.update(module.relative_to(ROOT).as_posix().encode())
        digest.update(_content(module))
    return digest.hexdigest()[:16]


def all_hashes() -> dict[str, str]:
    """Return `code_hash` of every script, by name."""
    return {path.stem: code_hash(path.stem) for path in sorted((ROOT / "scripts").glob("*.py"))}


def modules_of(script: str) -> list[Path]:
    """Return the files of the library that `workflow/scripts/<script>.py` imports, at any depth, sorted."""
    found: set[Path] = set()
    waiting = list(_imports(ROOT / "scripts" / f"{script}.py"))
    while waiting:
        module = waiting.pop()
        if module not in found and module not in IGNORED:
            found.add(module)
            waiting.extend(_imports(module))
    return sorted(found)


@cache
def _content(module: Path) -> bytes:
    """Return what a module is, with the data files beside it that it names."""
    source = module.read_bytes()
    data = sorted(set(re.findall(rb'with_name\("([^"]+)"\)', source)))
    return source + b"".join(module.with_name(name.decode()).read_bytes() for name in data)


@cache
def _imports(module: Path) -> tuple[Path, ...]:
    """Return the library files that `module` imports, wherever in the file the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    candidates = (ROOT / f"{name.replace('.', '/')}{end}" for name in names for end in (".py", "/__init__.py"))
    return tuple(path for path in candidates if path.is_relative_to(ROOT / "explainct") and path.is_file())
