"""What the workflow takes from Snakemake without a documented interface still does what it is taken for."""

import json
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest
from toy import LIBRARY, run_toy

HEAD = """
import json
from pathlib import Path
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent
from explainct.runtime.log_events import OnEvent
from explainct.runtime.snakemake_internals import *
"""
CHAIN = """
rule all:
    input: "c.txt"
rule a:
    output: "a{n}.txt"
    log: "logs/a{n}.log"
    benchmark: "benchmarks/a{n}.tsv"
    params: arguments={"x": 1}
    shell: "touch {output}"
rule b:
    output: "b.txt"
    shell: "touch {output}"
rule c:
    input: "a1.txt", "a2.txt"
    output: "c.txt"
    shell: "touch {output}"
"""


def test_the_tested_version_is_the_one_that_is_asked_for():
    assert f'min_version("{version("snakemake")}")' in (LIBRARY / "Snakefile").read_text()


def test_planned_jobs_are_those_that_run_in_dry_runs_too_from_start_to_end(tmp_path):
    toy = (
        HEAD + CHAIN + 'logger.addHandler(OnEvent(LogEvent.RUN_INFO, lambda: print("PLAN", planned_jobs(workflow))))\n'
    )
    for arguments, times in ((["-n"], 2), (["a1.txt"], 1), (["-n"], 2)):
        output = run_toy(tmp_path, toy, *arguments, "--quiet", "rules")
        plans = [line for line in output.splitlines() if line.startswith("PLAN")]
        assert len(plans) == times, output
        made = arguments == ["-n"] and (tmp_path / "a1.txt").exists()
        for plan in plans:
            assert ("wildcards={'n': '1'}, params={'arguments': {'x': 1}}" in plan) is not made
            assert ("rule='c'" in plan) is ("-n" in arguments)


def test_jobs_behind_a_rule_are_all_that_it_depends_on(tmp_path):
    toy = HEAD + CHAIN + 'onstart:\n    print("BEHIND", json.dumps(jobs_behind(workflow, "c", "none")))\n'
    expected = [["a", f"benchmarks/a{n}.tsv", f"logs/a{n}.log"] for n in (1, 2)]
    for targets, behind in ((["a1.txt"], []), (["c.txt", "b.txt"], expected)):
        output = run_toy(tmp_path, toy, *targets)
        assert f"BEHIND {json.dumps(behind)}" in output, output


def test_a_job_behind_that_another_rule_made_is_that_rules_job(tmp_path):
    both = """
rule both:
    output: "a1.txt", "a2.txt"
    log: "logs/both.log"
    params: arguments={"x": 1}
    shell: "touch {output}"
if "both" in config:
    ruleorder: both > a
else:
    ruleorder: a > both
"""
    toy = HEAD + CHAIN + both + 'onstart:\n    print("BEHIND", json.dumps(jobs_behind(workflow, "c")))\n'
    together, own = ["both", "", "logs/both.log"], ["a", "benchmarks/a1.tsv", "logs/a1.log"]
    assert f"BEHIND {json.dumps([together])}" in run_toy(tmp_path, toy, "--config", "both=1")
    assert f"BEHIND {json.dumps([together])}" in run_toy(tmp_path, toy, "--forcerun", "c")
    (tmp_path / "a1.txt").unlink()
    assert f"BEHIND {json.dumps([own, together])}" in run_toy(tmp_path, toy, "a1.txt", "c.txt")


def test_settings_files_are_those_of_the_workflow_and_of_the_command_line(tmp_path):
    for name in ("own.yaml", "other.yaml"):
        (tmp_path / name).write_text("epochs: 3\n")
    toy = (
        HEAD + CHAIN + 'configfile: "own.yaml"\nprint("FILES", *(Path(one).name for one in settings_files(workflow)))\n'
    )
    assert "FILES own.yaml\n" in run_toy(tmp_path, toy, "-n")
    line = next(
        one for one in run_toy(tmp_path, toy, "-n", "--configfile", "other.yaml").splitlines() if "FILES" in one
    )
    assert set(line.split()[1:]) == {"own.yaml", "other.yaml"}


def test_a_process_that_runs_a_job_is_not_the_main_one(tmp_path):
    toy = HEAD + (
        'with open("processes", "a") as file:\n    print(is_main_process(workflow), file=file)\n'
        'rule a:\n    output: "a.txt"\n    run: Path(output[0]).touch()\n'
    )
    output = run_toy(tmp_path, toy)
    assert (tmp_path / "processes").read_text().split() == ["True", "False"], output


@pytest.mark.parametrize(
    ("arguments", "here"), [(("-n",), "True"), (("-n", "--executor", "slurm", "--jobs", "2"), "False")]
)
def test_jobs_run_here_unless_a_cluster_runs_them(tmp_path, arguments, here):
    toy = HEAD + CHAIN + 'Path("here").write_text(str(runs_jobs_here(workflow)))\n'
    output = run_toy(tmp_path, toy, *arguments)
    assert (tmp_path / "here").read_text() == here, output


@pytest.mark.parametrize("call", ["", "wake_scheduler_once()"])
def test_timers_do_not_grow_with_the_jobs(tmp_path, call):
    toy = HEAD + (
        f"import threading\n{call}\n"
        'rule all:\n    input: [f"{n}.txt" for n in range(40)]\n'
        'rule a:\n    output: "{n}.txt"\n    shell: "touch {output}"\n'
        'onsuccess:\n    Path("timers").write_text(str(sum("Timer" in str(t) for t in threading.enumerate())))\n'
    )
    output = run_toy(tmp_path, toy)
    assert (tmp_path / "39.txt").exists(), output
    assert (int((tmp_path / "timers").read_text()) <= 1) is bool(call)


@pytest.mark.parametrize("call", ["", "drop_benchmarks_of_cached(workflow)"])
def test_rules_with_a_benchmark_can_be_cached_without_it(tmp_path, call):
    (tmp_path / "cache").mkdir()
    (tmp_path / "a.py").write_text("from pathlib import Path\nPath(snakemake.output[0]).touch()\n")
    rules = "".join(
        f'rule {name}:\n    output: "{name}.txt"\n    benchmark: "{name}.tsv"\n    cache: {cache}\n    script: "a.py"\n'
        for name, cache in (("a", True), ("b", False))
    )
    output = run_toy(
        tmp_path, f"{HEAD}{rules}{call}\n", "a.txt", "b.txt", "--cache", SNAKEMAKE_OUTPUT_CACHE=str(tmp_path / "cache")
    )
    assert ("may not be marked as eligible" in output) is not call, output
    assert (tmp_path / "b.tsv").exists() is bool(call)
    assert not (tmp_path / "a.tsv").exists()


@pytest.mark.parametrize("call", ["", "quote_interpreter()"])
def test_scripts_run_by_an_interpreter_in_a_folder_with_odd_characters(tmp_path, call):
    folder = tmp_path / "a (b) & 'c' $d"
    folder.mkdir()
    (folder / "python").symlink_to(Path(sys.executable).resolve())
    (tmp_path / "a.py").write_text("from pathlib import Path\nPath(snakemake.output[0]).touch()\n")
    rule = 'rule a:\n    output: "a.txt"\n    script: "a.py"\n'
    packages = f"{LIBRARY}:{sysconfig.get_path('purelib')}"
    output = run_toy(tmp_path, f"{HEAD}{call}\n{rule}", python=str(folder / "python"), PYTHONPATH=packages)
    assert (tmp_path / "a.txt").exists() is bool(call), output
