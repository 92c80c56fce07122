"""The examples in docstrings of the layer `data` are true."""

import doctest
import importlib
from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parents[3] / "workflow"
MODULES = [
    ".".join(path.relative_to(WORKFLOW).with_suffix("").parts)
    for path in sorted((WORKFLOW / "explainct/data").rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
