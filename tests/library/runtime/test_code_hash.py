"""Which code a job depends on."""

from pathlib import Path

import pytest

from explainct.runtime import code_hash as code

ROOT = Path(__file__).parents[3]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small library, and a script that uses two of its modules."""
    for name in ("scripts", "explainct/stage", "explainct/runtime"):
        (tmp_path / name).mkdir(parents=True)
    files = {
        "scripts/stage.py": "import pandas\nfrom explainct.stage.used import thing\n",
        "explainct/__init__.py": "",
        "explainct/stage/__init__.py": "",
        "explainct/stage/used.py": "def thing():\n    from explainct.stage import deep\n",
        "explainct/stage/deep.py": "import explainct.runtime.job\nX = 1\n",
        "explainct/stage/by_name.py": "X = 1\n",
        "explainct/stage/other.py": "X = 1\n",
        "explainct/runtime/job.py": "X = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    return tmp_path


def hash_now(*modules):
    code._read.cache_clear()
    return code.code_hash("stage", *modules)


def test_the_hash_is_of_what_a_script_imports(library):
    names = [module.relative_to(library).as_posix() for module in code.modules_of("stage")]
    assert (
        names
        == [
            "explainct/__init__.py",
            "explainct/stage/__init__.py",
            "explainct/stage/deep.py",
            "explainct/stage/used.py",
        ][-len(names) :]
    )
    assert {"explainct/stage/deep.py", "explainct/stage/used.py"} <= set(names)


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("stage/deep.py", "import explainct.runtime.job\nX = 2\n", True),
        ("stage/deep.py", "# A comment.\nimport explainct.runtime.job\n\nX = 1  # another\n", False),
        ("stage/deep.py", '"""A docstring."""\nimport explainct.runtime.job\nX = 1\n"""What it is."""\n', False),
        ("stage/used.py", 'def thing():\n    """Do it."""\n    from explainct.stage import deep\n', False),
        ("stage/used.py", "def thing():\n    from explainct.stage import deep\n    return 1\n", True),
        ("stage/other.py", "X = 2\n", False),
        ("stage/by_name.py", "X = 2\n", False),
        ("runtime/job.py", "X = 2\n", False),
    ],
)
def test_what_changes_the_hash(library, file, text, changes):
    before = hash_now()
    (library / "explainct" / file).write_text(text)
    assert (hash_now() != before) == changes


def test_what_is_imported_by_name_counts_where_the_rule_names_it(library):
    before = hash_now("explainct.stage.by_name")
    assert before != hash_now()
    (library / "explainct/stage/by_name.py").write_text("X = 2\n")
    assert hash_now("explainct.stage.by_name") != before
    with pytest.raises(ModuleNotFoundError, match=r"explainct\.stage\.nothing"):
        hash_now("explainct.stage.nothing")


def test_a_data_file_counts_with_the_module_beside_it(library):
    (library / "explainct/stage/deep.py").write_text('FILE = Path(__file__).with_name("table.yaml")\n')
    (library / "explainct/stage/table.yaml").write_text("a: 1\n")
    before = hash_now()
    (library / "explainct/stage/table.yaml").write_text("a: 2\n")
    assert hash_now() != before


def test_every_script_is_found_and_imports_what_it_needs_only():
    folders = {
        script.stem: {module.relative_to(code.ROOT / "explainct").parts[0:2] for module in code.modules_of(script.stem)}
        for script in sorted((ROOT / "workflow/scripts").glob("*.py"))
    }
    assert ("learning", "train") in folders["train_classifier"]
    assert not {("learning", "losses"), ("learning", "explain"), ("scoring", "evaluate")} & folders["map_weights"]
    assert not {("learning", "losses"), ("learning", "train"), ("due", "interpolation")} & folders["extract_crops"]
    # Settings reach a job as its arguments: it imports tables of methods at most, and no section of the settings.
    settings = {part for parts in folders.values() for part in parts if part[0] == "config"}
    assert settings <= {("config", name) for name in ("methods.py", "recipe.py", "compared.py")}
