"""Every rule keeps the rules of the house."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from explainct.runtime.requests import read_requests

ROOT = Path(__file__).parents[2]
REQUESTS = read_requests(ROOT / "config/resources.csv")
RULE_FILES = sorted((ROOT / "workflow/rules").glob("*.smk"))
CAPTIONS = sorted((ROOT / "workflow/report").glob("*.rst"))
CATEGORIES = {"Checks", "Cohort", "Interpolation", "Results", "Run", "Training"}
RULES = [
    (path.name, name, body)
    for path in RULE_FILES
    for name, body in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)+)", path.read_text(), re.M)
]


@pytest.mark.parametrize(("file", "name", "body"), RULES, ids=[name for _, name, _ in RULES])
def test_a_rule_says_what_it_needs(file, name, body):
    assert body.lstrip().startswith('"""'), f"{name} in {file} has no docstring"
    for directive in ("output", "log", "benchmark", "conda", "threads", "resources", "params", "message", "script"):
        assert re.search(rf"^    {directive}:", body, re.M), f"{name} in {file} lacks {directive}"
    assert f'**asks("{name}")' in body
    assert name in REQUESTS
    assert f'code_hash("{name}")' in body
    assert f'"../scripts/{name}.py"' in body


def test_rule_files_open_with_inputs_and_outputs_and_stay_small():
    for path in RULE_FILES:
        text = path.read_text()
        assert text.startswith('"""'), path
        assert "OUTPUTS" in text or path.name == "common.smk"
        assert not re.search(r"\blambda \w*:|^\s+run:|os\.path", text, re.M), path
        if path.name != "common.smk":
            assert not re.search(r"^\s*def ", text, re.M), path
        assert len(text.splitlines()) <= 180, path


def test_each_script_belongs_to_a_rule_and_is_short():
    scripts = {path.stem: path for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert set(scripts) == {name for _, name, _ in RULES}
    for path in scripts.values():
        assert len(path.read_text().splitlines()) <= 40, path
        assert "def " not in path.read_text(), path


def test_the_table_of_requests_has_a_row_for_each_rule_in_their_order():
    stages = re.findall(r'^include: "rules/(\w+)\.smk"', (ROOT / "workflow/Snakefile").read_text(), re.M)
    order = [f"{stage}.smk" for stage in stages]
    assert list(REQUESTS) == [name for _, name, _ in sorted(RULES, key=lambda rule: order.index(rule[0]))]


def test_captions_exist_and_are_used():
    used = [
        caption.split("/")[-1] for path in RULE_FILES for caption in re.findall(r'caption="([^"]+)"', path.read_text())
    ]
    assert {*used, "workflow.rst"} == {path.name for path in CAPTIONS}


@pytest.mark.parametrize("path", [path for path in CAPTIONS if path.stem not in ("workflow", "slurm")], ids=str)
def test_a_caption_ends_with_what_made_its_figure(path):
    last = path.read_text().rstrip("\n").rpartition("\n\n")[2]
    made_by, settings = last.split("\n")
    assert made_by == "Made by rule ``{{ snakemake.rule }}``, code ``{{ snakemake.params.code }}``;"
    assert settings == (
        "settings: the job parameters below."  # these are asked for by name, where there is no record of the run
        if path.stem in ("cue", "study")
        else "settings, packages and devices: ``results/tables/run.yaml``."
    )


def test_results_of_the_report_have_few_categories_and_names():
    text = "".join(path.read_text() for path in RULE_FILES)
    assert set(re.findall(r'category="(\w+)"', text)) == CATEGORIES
    # All but the pictures of training, whose paths say the seed.
    assert text.count('labels={"result":') + text.count("labels=label") == text.count("caption=") - 1


def test_the_conda_environment_has_the_projects_versions():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    environment = yaml.safe_load((ROOT / "envs/explainct.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == groups["run"]
