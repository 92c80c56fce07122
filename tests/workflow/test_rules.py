"""Every rule is a call: rule, script and function bear one name, and the rule gives what the function takes."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from workflow_rules import ROOT, RULE_FILES, SCRIPTS, arguments_of, called, computing_rules, inherited, texts

from explainct.runtime.job import check_names
from explainct.runtime.requests import read_requests

REQUESTS = read_requests(ROOT / "config/resources.csv")
CAPTIONS = sorted((ROOT / "workflow/report").rglob("*.rst"))
CATEGORIES = {
    "Checks",
    "Cohort",
    "Confidence",
    "Counterfactuals",
    "Interpolation",
    "Monitoring",
    "Results",
    "Run",
    "Training",
}
TEXTS, INHERITED = texts(), inherited()
DIRECTIVES = ("output", "log", "benchmark", "conda", "threads", "resources", "params", "script")
PARAMETERS = {
    "arguments": "what the function reads",
    "code": "the modules that the job imports",
    "software": "cached rules: what is installed",
    "shard": "cached rules: Snakemake's key holds no wildcard",
    "kind": "cached rules: Snakemake's key holds no wildcard",
    "state": "the state of what lies outside of the results",
}


@pytest.mark.parametrize("name", [*TEXTS, *INHERITED])
def test_a_rule_gives_what_its_function_takes(name):
    rule = computing_rules()[name]
    function = called(SCRIPTS / Path(rule.script).name)
    given = [set(rule.input._names), set(rule.output._names)]
    arguments = arguments_of(rule)
    offered = {*rule.wildcard_names, "threads", "code", "tmpdir"}
    check_names(function, name, [*given, set(arguments)], offered)


@pytest.mark.parametrize("name", [*TEXTS, *INHERITED])
def test_rule_script_and_function_bear_one_name(name):
    script = SCRIPTS / Path(computing_rules()[name].script).name
    assert script.stem == INHERITED.get(name, name)
    assert called(script).__name__ == script.stem
    lines = script.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 8
    assert lines[0].startswith('"""')
    assert lines[-1] == f"run({script.stem}, snakemake)"


@pytest.mark.parametrize("name", [*TEXTS, *INHERITED])
def test_the_arguments_of_a_job_are_plain_values_in_one_dict(name):
    rule = computing_rules()[name]
    assert set(rule.params.keys()) <= set(PARAMETERS)
    arguments = arguments_of(rule)
    assert isinstance(arguments, dict)
    assert_plain(arguments)


def test_images_are_read_as_the_table_of_methods_says():
    rules = [rule for name, rule in computing_rules().items() if "method" in rule.wildcard_names]
    found = {
        rule.name: [arguments_of(rule, method)["reading"]["intensity"] for method in ("due", "due_published")]
        for rule in rules
        if "intensity" in arguments_of(rule).get("reading", {})
    }
    assert set(found) == {
        *("train_classifier", "train_all_seeds", "explain_classifier", "compare_explainers", "predict_cued"),
        *("train_thinned", "explain_thinned", "score_heatmaps", "generate_heatmaps"),
    }
    assert all(intensities == ["window", "slice_minmax"] for intensities in found.values())


def assert_plain(value):
    """Check that a value is the same text in every run: no function, no set, nothing with an address."""
    if isinstance(value, dict):
        for key, part in value.items():
            assert isinstance(key, str)
            assert_plain(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            assert_plain(part)
    else:
        assert value is None or isinstance(value, (str, int, float, bool)), value


@pytest.mark.parametrize("name", TEXTS)
def test_a_rule_says_what_it_needs(name):
    file, body = TEXTS[name]
    assert body.lstrip().startswith('"""'), f"{name} in {file} has no docstring"
    for directive in DIRECTIVES:
        assert re.search(rf"^    {directive}:", body, re.M), f"{name} in {file} lacks {directive}"
    assert f'**asks("{name}")' in body
    assert "message:" not in body
    assert re.search(rf'"(?:\.\./)+scripts/{name}\.py"', body)


def test_every_script_belongs_to_a_rule():
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(TEXTS)


def test_rule_files_open_with_what_they_are_and_hold_no_code():
    for path in RULE_FILES:
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""'), path
        assert not re.search(r"\blambda \w*:|^\s+run:|os\.path", text, re.M), path
        if path.name != "common.smk":
            assert not re.search(r"^\s*def ", text, re.M), path


def test_the_table_of_requests_has_a_row_for_each_rule_in_their_order():
    included = re.findall(r'^include: "rules/([\w/]+\.smk)"', (ROOT / "workflow/Snakefile").read_text(), re.M)
    names = []
    for file in included:
        text = (ROOT / "workflow/rules" / file).read_text(encoding="utf-8")
        names += re.findall(r"^ *(?:rule|use rule \w+ as) (\w+)", text, re.M)
    assert {f"{ROOT}/workflow/rules/{file}" for file in included} == {str(path) for path in RULE_FILES}
    assert list(REQUESTS) == names


def test_captions_exist_and_are_used():
    used = {
        (path.parent / caption).resolve()
        for path in [*RULE_FILES, ROOT / "workflow/Snakefile"]
        for caption in re.findall(r'(?:caption=|^report: )"([^"]+\.rst)"', path.read_text(encoding="utf-8"), re.M)
    }
    # The caption of SLURM's table is named in common.smk relative to workflow/Snakefile.
    assert {path.name for path in used} == {path.name for path in CAPTIONS}


@pytest.mark.parametrize("path", [path for path in CAPTIONS if path.stem not in ("workflow", "slurm")], ids=str)
def test_a_caption_ends_with_what_made_its_figure(path):
    last = path.read_text().rstrip("\n").rpartition("\n\n")[2]
    made_by, settings = last.split("\n")
    assert made_by == "Made by rule ``{{ snakemake.rule }}``, code ``{{ snakemake.params.code }}``;"
    assert settings in (
        "settings: the job parameters below.",  # of what is asked for by name, without a record of the run
        'settings, packages and devices: ``results/{{ snakemake.config["dataset"] }}/run.yaml``.',
    )


def test_results_of_the_report_have_few_categories_and_names():
    text = "".join(path.read_text(encoding="utf-8") for path in RULE_FILES)
    assert set(re.findall(r'category="(\w+)"', text)) == CATEGORIES
    # All but the pictures of training, whose paths say the seed.
    assert text.count('labels={"result":') + text.count("labels=label") == text.count("caption=") - 1


def test_the_conda_environment_has_the_projects_versions():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    environment = yaml.safe_load((ROOT / "envs/explainct.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == groups["run"]
