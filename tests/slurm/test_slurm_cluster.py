"""A cluster leaves no process behind, and says why where there can be none."""

import subprocess
import sys
from pathlib import Path

import pytest
import slurm_cluster
from slurm_cluster import Cluster, until
from slurm_packages import NoClusterError

# A job that lets go of a process, which no SLURM with this tracking of processes would find again.
STRAY = "#!/bin/sh\nsetsid sh -c 'sleep 300 & echo $! > stray.part; mv stray.part stray' &\nsleep 300\n"
# A test session that is killed while its cluster runs a job.
SESSION = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from slurm_cluster import Cluster
running = Cluster(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
running.start()
running.run("sbatch", "--chdir", sys.argv[2], sys.argv[2] + "/stray.sh")
time.sleep(300)
"""


def processes(folder):
    """Return the command lines of all processes that belong to a cluster in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in f"{(process / 'cwd').readlink()} {(process / 'exe').readlink()}":
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_two_clusters_live_side_by_side_and_stop_with_all_their_processes(cluster, packages, tmp_path):
    (tmp_path / "stray.sh").write_text(STRAY)
    with Cluster(tmp_path, packages) as other:
        other.run("sbatch", "--chdir", str(tmp_path), str(tmp_path / "stray.sh"))
        until((tmp_path / "stray").exists, 60, "the job does not start")
        assert [job.state for job in other.jobs()] == ["RUNNING"]
        assert not cluster.jobs(tmp_path)
        assert len(processes(tmp_path)) >= 5  # three daemons, the job's keeper and what it let go
    assert processes(tmp_path) == []
    assert set(cluster.nodes()) == {"n1", "n2"}


def test_a_cluster_dies_with_its_tests(cluster, packages, tmp_path):
    (tmp_path / "stray.sh").write_text(STRAY)
    command = [sys.executable, "-c", SESSION, str(Path(slurm_cluster.__file__).parent), str(tmp_path), str(packages)]
    with subprocess.Popen(command) as session:
        try:
            until((tmp_path / "stray").exists, 60, "the job does not start")
            assert processes(tmp_path)
        finally:
            session.kill()
    until(lambda: not processes(tmp_path), 10, "the cluster does not die")


def test_a_machine_without_packages_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("slurm_packages.shutil.which", lambda name: None if name == "apt-get" else name)
    with pytest.raises(NoClusterError, match="apt-get is not on this machine"):
        Cluster(tmp_path / "cluster", tmp_path / "cache").start()


def test_a_machine_without_devices_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("slurm_cluster.DEVICES", (tmp_path / "tty0",))
    with pytest.raises(NoClusterError, match="have to be devices"):
        Cluster(tmp_path / "cluster", tmp_path / "cache").start()
