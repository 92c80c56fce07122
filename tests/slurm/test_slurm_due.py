"""The workflow itself on a cluster, through profiles/slurm: where jobs run, and what a run survives."""

import csv
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
from harness import TINY, Project
from slurm_cluster import until
from slurm_submission import Submission

ROOT = Path(__file__).parents[2]

TABLES = ("table1.csv", "table1.md", "table1.tex")
EPOCHS = 30
TRAIN = {**TINY["train"], "methods": ["due"], "epochs": EPOCHS}
CLUSTER = {"cpu_partition": "cpu", "gpu_partition": "gpu"}
SETTINGS = {**TINY, "train": TRAIN, "cluster": CLUSTER}
SUBMITTING = (sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm")
# A shorter wait than the profile's for jobs that take seconds.
ARGUMENTS = ("--slurm-init-seconds-before-status-checks", "9", "table_1")
RUN = "results/demo/classifiers/lesion/due/n4_lambda1"
LOG = "results/demo/logs/train_all_seeds/due_n4_lambda1.log"
AFTER_TRAINING = ["train_all_seeds", "explain_classifier", "evaluate_classifier", "table_1"]


def ask(folder, **changed):
    """Write a table of small requests, which fit on nodes of 8 GB three times as large; some are changed."""
    path = folder / "config/resources.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update({"mem_mb": 1500, "runtime": 20, **changed.get(row["rule"], {})})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def submit(cluster, folder):
    """Start Snakemake with the project's profile for SLURM."""
    return Submission(cluster, folder, *ARGUMENTS, command=SUBMITTING)


def tables(folder):
    return {name: (folder / "results/demo/due/tables" / name).read_bytes() for name in TABLES}


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    """A project after a whole run on the cluster, and SLURM's jobs of it."""
    project = Project(tmp_path_factory.mktemp("undisturbed") / "project")
    project.configure(SETTINGS)
    ask(project.folder)
    with submit(cluster, project.folder) as run:
        status, output = run.finish(900)
    assert status == 0, output[-5000:]
    return project.folder, cluster.jobs(project.folder)


def test_jobs_run_where_the_table_sends_them(undisturbed):
    _, jobs = undisturbed
    assert {job.state for job in jobs} == {"COMPLETED"}
    requests = {row["rule"]: row for row in csv.DictReader((ROOT / "config/resources.csv").open(newline=""))}
    for job in jobs:
        with_gpu = requests[job.rule]["gpu"] == "1"
        assert (job.partition, job.gres) == (("gpu", "gpu:1") if with_gpu else ("cpu", "")), job
    assert "fetch_real_ct" not in {job.rule for job in jobs}  # needs a network: runs where Snakemake does


def test_slurm_chooses_the_gpu_and_no_two_jobs_share_one(undisturbed):
    folder, jobs = undisturbed
    seen = []
    for log in (folder / "results/demo/logs").rglob("*.log"):
        if told := re.search(r"^(\S+ \S+),\d+ INFO SLURM job (\d+) on node (n\d), GPU (\w+)$", log.read_text(), re.M):
            start, number, node, device = told.groups()
            seen.append((int(number), node, device, pd.Timestamp(start), pd.Timestamp(log.stat().st_mtime, unit="s")))
    assert {number for number, *_ in seen} == {job.id for job in jobs}
    on_gpu = {job.id for job in jobs if job.partition == "gpu"}
    for number, _, device, *_ in seen:
        assert (device in {"0", "1"}) == (number in on_gpu)
        assert (device == "none") == (number not in on_gpu)
    for number, node, device, start, _ in seen:
        for other, its_node, its_device, its_start, its_end in seen:
            if number in on_gpu and other != number and (node, device) == (its_node, its_device):
                assert not its_start < start < its_end, (number, other)


@pytest.fixture
def again(undisturbed, tmp_path):
    """A copy of the project whose training, and what follows from it, is still to be done."""
    folder = tmp_path / "project"
    shutil.copytree(undisturbed[0], folder, symlinks=True)
    shutil.rmtree(folder / RUN)
    shutil.rmtree(folder / "results/demo/due/tables")
    (folder / LOG).unlink()
    return folder


def wait_for_epoch(run, number):
    """Wait until the training has finished an epoch, and return its SLURM job."""
    log = run.folder / LOG
    until(lambda: log.exists() and f"epoch {number}/" in log.read_text(), 120, f"no epoch {number}")
    return next(job for job in run.cluster.jobs(run.folder) if job.rule == "train_all_seeds" and job.active)


def ends_like_undisturbed(run, undisturbed, states):
    """Check that a run ends well with the tables of an undisturbed one, and ran nothing twice but the training."""
    status, output = run.finish(420)
    assert status == 0, output[-5000:]
    assert tables(run.folder) == tables(undisturbed[0])
    jobs = run.cluster.jobs(run.folder)
    assert [job.state for job in jobs if job.rule == "train_all_seeds"] == states
    assert sorted(job.rule for job in jobs if job.state == "COMPLETED") == sorted(AFTER_TRAINING)
    assert not list((run.folder / "results").rglob(".part.*"))
    assert not list((run.folder / "results").rglob("*last.pt"))
    return output


def resumed(run):
    """Tell whether the last training went on after an epoch of the one before."""
    return "resuming after epoch" in (run.folder / LOG).read_text()


def test_a_cancelled_training_goes_on(cluster, undisturbed, again):
    with submit(cluster, again) as run:
        job = wait_for_epoch(run, 5)
        cluster.scancel(job.id)
        ends_like_undisturbed(run, undisturbed, ["CANCELLED", "COMPLETED"])
        assert resumed(run)


def test_a_training_on_a_node_that_dies_goes_on_elsewhere(cluster, undisturbed, again):
    with submit(cluster, again) as run:
        job = wait_for_epoch(run, 5)
        try:
            cluster.kill_node(job.nodes)
            ends_like_undisturbed(run, undisturbed, ["NODE_FAIL", "COMPLETED"])
        finally:
            cluster.restart_node(job.nodes)
        assert resumed(run)


def test_a_training_over_its_memory_is_given_more(cluster, undisturbed, again):
    ask(again, train_all_seeds={"mem_mb": 400})
    with submit(cluster, again) as run:
        ends_like_undisturbed(run, undisturbed, ["FAILED", "COMPLETED"])
        memory = [job.memory for job in cluster.jobs(again) if job.rule == "train_all_seeds"]
        assert memory == ["400M", "800M"]


def test_a_training_over_its_time_is_given_more_and_goes_on(cluster, undisturbed, again):
    ask(again, train_all_seeds={"runtime": 2})
    with submit(cluster, again) as run:
        wait_for_epoch(run, 5)
        tell_training(again, signal.SIGSTOP)
        # Not TIMEOUT: a minute before its time ends, SLURM tells the job's Snakemake, which gives it up.
        ends_like_undisturbed(run, undisturbed, ["FAILED", "COMPLETED"])
        limits = [job.time_limit for job in cluster.jobs(again) if job.rule == "train_all_seeds"]
        assert limits == ["2:00", "4:00"]
        assert resumed(run)


def tell_training(folder, number):
    """Send the training's process a signal: stopped, it takes time and does nothing."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, place = (process / "cmdline").read_bytes(), (process / "cwd").resolve()
        except OSError:
            continue
        if b"train_classifier.py" in command and place == folder.resolve():
            os.kill(int(process.name), number)


def test_a_killed_snakemake_is_started_again_beside_its_job(cluster, undisturbed, again):
    with submit(cluster, again) as run:
        wait_for_epoch(run, 5)
        tell_training(again, signal.SIGSTOP)  # so that it is still there when the second one starts
        os.killpg(run.process.pid, signal.SIGKILL)  # Snakemake; its job belongs to SLURM
        run.process.wait()
        with submit(cluster, again) as second:
            until(lambda: "is being made by" in slurm_logs(again), 120, "the second job does not wait")
            tell_training(again, signal.SIGCONT)
            ends_after_taking_over(second, undisturbed)


def slurm_logs(folder):
    """Return what the jobs of a folder that are not yet over have said."""
    return "".join(path.read_text() for path in (folder / ".snakemake/slurm_logs").rglob("*.log"))


def ends_after_taking_over(run, undisturbed):
    """Check the run of a second head: two SLURM jobs for the training, of which one trained."""
    status, output = run.finish(420)
    assert status == 0, output[-5000:]
    assert tables(run.folder) == tables(undisturbed[0])
    rules = sorted(job.rule for job in run.cluster.jobs(run.folder) if job.state == "COMPLETED")
    assert rules == sorted([*AFTER_TRAINING, "train_all_seeds"])
    assert "another job made" in (run.folder / LOG).read_text()
