"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parents[2] / "workflow"
MODULES = [
    ".".join(path.relative_to(WORKFLOW).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((WORKFLOW / "explainct").rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed
