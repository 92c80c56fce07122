"""The rules of the workflow as Snakemake reads them, without running any."""

import ast
import importlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow/scripts"
RULE_FILES = sorted((ROOT / "workflow/rules").rglob("*.smk"))


@contextmanager
def _in_root() -> Iterator[None]:
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        yield
    finally:
        os.chdir(here)


@cache
def computing_rules() -> dict[str, Any]:
    """Return Snakemake's objects of all rules with a script, by name, under the settings of the demo."""
    with _in_root(), SnakemakeApi(OutputSettings()) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(),
            snakefile=ROOT / "Snakefile",
        )._workflow
        return {rule.name: rule for rule in workflow.rules if rule.script}


def arguments_of(rule: Any, method: str = "due") -> dict[str, Any]:
    """Return the arguments of a rule's job, of `method` where they depend on the method."""
    arguments = rule.params.get("arguments") or {}
    return (
        arguments(SimpleNamespace(method=method, case="scan", compared="cfalign")) if callable(arguments) else arguments
    )


def texts() -> dict[str, tuple[Path, str]]:
    """Return the file and the text of each rule that stands in a rule file, by name."""
    found = {}
    for path in RULE_FILES:
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)+)", path.read_text(encoding="utf-8"), re.M):
            found[name] = path, body
    return found


def inherited() -> dict[str, str]:
    """Return the rule that each `use rule ... as ...` is made of, by name."""
    text = "".join(path.read_text(encoding="utf-8") for path in RULE_FILES)
    return {name: base for base, name in re.findall(r"^ *use rule (\w+) as (\w+) with:", text, re.M)}


def called(script: Path) -> Callable[..., Any]:
    """Return the function that a script runs."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    call = next(node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    name = call.args[0].id
    module = next(
        node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]
    )
    return getattr(importlib.import_module(module), name)
