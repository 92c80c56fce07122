"""What happens to jobs in SLURM reaches Snakemake, and a run whose jobs die once ends well."""

from pathlib import Path

import pytest
from slurm_submission import Submission

TOY = Path(__file__).with_name("toy.smk")


def toy(cluster, folder, *arguments):
    return Submission(cluster, folder, "--snakefile", str(TOY), "--retries", "1", *arguments)


@pytest.fixture(scope="module", autouse=True)
def overdue(cluster, tmp_path_factory):
    """A run whose job exceeds its limit of a minute on n1: SLURM takes its time, so it runs beside all the tests."""
    with toy(
        cluster, tmp_path_factory.mktemp("overdue"), "--slurm-init-seconds-before-status-checks", "25", "n1.txt"
    ) as run:
        yield run


def started(run):
    """Return the process of a job that never ends."""
    run.wait_for(run.folder / "started")
    return int((run.folder / "started").read_text())


def finished(run, timeout):
    """Return a run's jobs and what it printed; it must end well."""
    status, output = run.finish(timeout)
    assert status == 0, output
    return run.cluster.jobs(run.folder), output


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def troubled(cluster, tmp_path_factory):
    """A run's jobs by rule, what it printed, and the process of its cancelled job; the other took too much memory."""
    folder = tmp_path_factory.mktemp("troubled")
    with toy(cluster, folder, "n2.txt", "hungry.txt") as run:
        process = started(run)
        cluster.scancel(*[job.id for job in cluster.jobs(folder) if job.rule == "endless"])
        jobs, output = finished(run, 150)
    return {rule: [job for job in jobs if job.rule == rule] for rule in ("endless", "hungry")}, output, process


def test_gpu_jobs_get_devices_of_their_own_and_other_jobs_none(cluster, tmp_path):
    with toy(cluster, tmp_path, "gpu0.txt", "gpu1.txt", "plain.txt") as run:
        jobs, _ = finished(run, 120)
    words = [(tmp_path / name).read_text().split() for name in ("gpu0.txt", "gpu1.txt")]
    assert sorted(words) == [["n2", "gpu", "0"], ["n2", "gpu", "1"]]
    assert (tmp_path / "plain.txt").read_text().split() == ["cpu", "unset"]
    assert sorted((job.rule, job.partition, job.gres, job.state) for job in jobs) == [
        ("paired", "gpu", "gpu:1", "COMPLETED"),
        ("paired", "gpu", "gpu:1", "COMPLETED"),
        ("plain", "cpu", "", "COMPLETED"),
    ]


def test_a_cancelled_job_runs_again(troubled):
    jobs, output, process = troubled
    assert [job.state for job in jobs["endless"]] == ["CANCELLED", "COMPLETED"]
    assert "SLURM status is: 'CANCELLED'" in output
    assert not is_alive(process)


def test_a_job_over_its_memory_runs_again_with_more(cluster, troubled):
    jobs, output, _ = troubled
    assert [(job.state, job.memory) for job in jobs["hungry"]] == [("FAILED", "500M"), ("COMPLETED", "1500M")]
    assert "SLURM status is: 'FAILED'" in output
    log = cluster.folder / f"log/{jobs['hungry'][0].nodes}.log"
    assert f"StepId={jobs['hungry'][0].id}.0 exceeded memory limit" in log.read_text()


def test_a_job_on_a_node_that_dies_runs_again_on_the_other(cluster, tmp_path):
    with toy(cluster, tmp_path, "n2.txt") as run:
        process = started(run)
        try:
            cluster.kill_node("n2")
            assert not is_alive(process)
            jobs, output = finished(run, 180)
        finally:
            cluster.restart_node("n2")
    assert [(job.state, job.nodes) for job in jobs] == [("NODE_FAIL", "n2"), ("COMPLETED", "n1")]
    assert "failed due to a node failure" in output
    assert cluster.nodes()["n2"] == "idle"


def test_a_job_over_its_time_runs_again_with_more(overdue):
    process = started(overdue)
    jobs, output = finished(overdue, 240)
    assert [(job.state, job.time_limit) for job in jobs] == [("TIMEOUT", "1:00"), ("COMPLETED", "5:00")]
    assert "SLURM status is: 'TIMEOUT'" in output
    assert not is_alive(process)
