"""Imports lead down the layers only, and the picture of the layers is that of today's imports."""

from pathlib import Path

import layers
import pytest


def test_imports_lead_down_the_layers_only():
    assert layers.upward(layers.imports()) == []


def test_no_part_of_a_layer_imports_another_in_a_circle():
    pairs = layers.arrows()
    parts = {part for pair in pairs for part in pair}
    assert set(layers.order(parts, pairs)) == parts


@pytest.mark.parametrize(
    ("source", "target", "wrong"),
    [
        ("due/paper", "data/samples", False),
        ("due/paper", "due/interpolation", False),
        ("data/samples", "due/paper", True),
        ("due/paper", "informer/alarms", True),
        ("predict/report", "informer/alarms", False),
        ("data/samples", "benchmarks", True),
        ("benchmarks", "due/paper", False),
        ("runtime", "learning/train", True),
    ],
)
def test_what_may_import_what(source, target, wrong):
    assert bool(layers.upward([(source, target)])) == wrong


def test_imports_of_every_form_are_read(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/__init__.py").write_text("")
    (tmp_path / "data/a.py").write_text("def f():\n    from explainct.data import b\n")
    (tmp_path / "data/b.py").write_text("import numpy\nimport explainct.errors\nfrom explainct.data.c import d\n")
    (tmp_path / "data/c.py").write_text("d = 1\n")
    (tmp_path / "errors.py").write_text("")
    assert set(layers.imports(tmp_path)) == {("data.a", "data.b"), ("data.b", "errors"), ("data.b", "data.c")}


def test_every_module_has_a_layer():
    for path in layers.LIBRARY.rglob("*.py"):
        name = path.relative_to(layers.LIBRARY).parts[0].removesuffix(".py")
        assert name in {"__init__", layers.BESIDE} or layers.layer_of(name) >= 0


def test_the_picture_is_that_of_the_imports():
    assert (Path(layers.__file__).with_name("layers.svg")).read_text(encoding="utf-8") == layers.svg()
