"""A real SLURM of two nodes on this machine, made from unpacked packages: without root, munge or a database.

    with Cluster(folder, cache) as cluster:
        subprocess.run([*SNAKEMAKE, "all"], env=cluster.environment, timeout=300)

Sizes and pitfalls are those of SLURM 22.05 and of snakemake-executor-plugin-slurm 2.8.0.
"""

import os
import pwd
import random
import shlex
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slurm_packages import NoClusterError, libraries, plugins, unpack

NODES = ("n1", "n2")
DEVICES = (Path("/dev/tty0"), Path("/dev/tty1"))

# A Snakemake that submits. The first look at the jobs comes after 9 s, and each that finds none finished adds 10 s.
SNAKEMAKE = (
    *(sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", "8"),
    *("--slurm-init-seconds-before-status-checks", "9"),
    # The default is sacct, which always fails without a database: jobs would never be seen to end.
    *("--slurm-status-command", "squeue"),
    # After one round of failed looks the plugin forgets its jobs and waits for ever: allow for many.
    *("--slurm-status-attempts", "30"),
    # A job that SLURM itself runs again is lost to the plugin.
    "--slurm-no-requeue",
)
# Two Snakemakes live in each job and take some 260 MB, so less than 400 would be killed.
RESOURCES = ("slurm_account=none", "slurm_partition=cpu", "mem_mb=400", "runtime=5", "nodes=1")

SETTINGS = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
PluginDir={plugins}
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill,NoShare
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
EnforcePartLimits=ALL
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=6
MessageTimeout=5
KillWait=5
OverTimeLimit=0
MinJobAge=86400
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs=2 RealMemory=8000 Gres=gpu:2 State=UNKNOWN
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]}
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName=cpu Nodes=n[1-2] Default=YES MaxTime=1-0 State=UP
PartitionName=gpu Nodes=n[1-2] MaxTime=1-0 State=UP
"""
# The files only have to be devices; nobody opens them. With the flag no variables but CUDA's are set.
GPUS = "NodeName=n[1-2] Name=gpu File=/dev/tty[0-1] Flags=nvidia_gpu_env\n"
WRAPPER = '#!/bin/sh\nexport SLURM_CONF={conf} LD_LIBRARY_PATH={path}\nexec {program} "$@"\n'
ACTIVE = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"}


@dataclass(frozen=True)
class Job:
    """What SLURM says about a job: `nodes` and `gres` may be empty, `folder` is Snakemake's working directory."""

    id: int
    state: str
    partition: str
    name: str
    nodes: str
    gres: str
    cpus: int
    memory: str
    time_limit: str
    folder: Path
    comment: str

    @property
    def rule(self) -> str:
        """The job's rule, if Snakemake submitted it."""
        return self.comment.removeprefix("rule_").partition("_wildcards_")[0]

    @property
    def active(self) -> bool:
        """Whether the job waits or runs."""
        return self.state in ACTIVE


class Cluster:
    """Nodes `n1` and `n2` with 2 CPUs, 8 GB and 2 pretend GPUs each, both in the partitions `cpu` and `gpu`."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder.resolve()
        self.cache = cache
        self.keepers: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the daemons and return when both nodes take jobs; NoClusterError where this machine can have none."""
        check_machine()
        unpack(self.cache, self.folder / "slurm")
        self.configure()
        try:
            self.keep("slurmctld", "-c")
            for node in NODES:
                self.start_node(node)
            self.wait_for_nodes()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the daemons, the jobs and all that they started."""
        for keeper in self.keepers.values():
            keeper.stdin.close()
        while self.keepers:
            self.keepers.popitem()[1].wait(timeout=30)

    def configure(self) -> None:
        """Write SLURM's settings, and commands that know where these are."""
        for name in ("bin", "log", "state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()
        self.conf.write_text(
            SETTINGS.format(
                host=socket.gethostname().partition(".")[0],
                user=pwd.getpwuid(os.getuid()).pw_name,
                ports=free_ports(1 + len(NODES)),
                plugins=plugins(self.folder / "slurm"),
                folder=self.folder,
            )
        )
        self.conf.with_name("gres.conf").write_text(GPUS)
        # All commands, since the plugin asks also those that always fail without a database, as sacctmgr.
        for program in (self.folder / "slurm/usr/bin").iterdir():
            self.wrap(program)

    def wrap(self, program: Path) -> None:
        """Write a command that runs a program with this cluster's settings."""
        # A variable would not do: the plugin takes SLURM_CONF away from its jobs, but leaves PATH.
        values = {"conf": self.conf, "program": program} | {"path": libraries(self.folder / "slurm")["LD_LIBRARY_PATH"]}
        file = self.folder / "bin" / program.name
        file.write_text(WRAPPER.format(**{key: shlex.quote(str(value)) for key, value in values.items()}))
        file.chmod(0o755)

    @property
    def conf(self) -> Path:
        """The file of SLURM's settings."""
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a Snakemake that submits to this cluster; SLURM gives it to the jobs as well."""
        # The tests may themselves run in a SLURM job, or under a choice of GPUs, which jobs must not inherit.
        foreign = ("SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SQUEUE_", "SNAKEMAKE_", "CUDA_VISIBLE_DEVICES")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        return kept | {"PATH": f"{self.folder / 'bin'}:{kept.get('PATH', os.defpath)}"}

    def run(self, command: str, *arguments: str) -> str:
        """Run one of SLURM's commands and return what it prints."""
        run = subprocess.run(
            [self.folder / "bin" / command, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if run.returncode:
            raise RuntimeError(f"{command} {shlex.join(arguments)}: {run.stderr.strip()}")
        return run.stdout

    def squeue(self, *arguments: str) -> str:
        """Return what squeue prints."""
        return self.run("squeue", *arguments)

    def jobs(self, folder: Path | None = None) -> list[Job]:
        """Return all jobs since the start, those over as well, or those submitted from `folder`, oldest first."""
        fields = (
            "JobID State Partition Name NodeList tres-per-job tres-per-node NumCPUs MinMemory TimeLimit WorkDir Comment"
        )
        lines = self.squeue("--states=all", "--noheader", "-O", ",".join(f"{field}:\t" for field in fields.split()))
        jobs = sorted(map(parse, filter(str.strip, lines.splitlines())), key=lambda job: job.id)
        return [job for job in jobs if folder is None or job.folder == folder.resolve()]

    def scancel(self, *jobs: int) -> None:
        """Cancel jobs."""
        self.run("scancel", *map(str, jobs))

    def scancel_all(self, folder: Path | None = None) -> None:
        """Cancel all jobs, or those submitted from `folder`, and wait until they are gone."""
        if active := [job.id for job in self.jobs(folder) if job.active]:
            self.scancel(*active)
        until(lambda: not any(job.active for job in self.jobs(folder)), 60, "jobs do not end")

    def nodes(self) -> dict[str, str]:
        """Return the nodes' states, with SLURM's asterisk on those that do not answer."""
        return dict(line.split() for line in self.run("sinfo", "-h", "-N", "-p", "cpu", "-o", "%N %T").splitlines())

    def kill_node(self, node: str) -> None:
        """Cut a node's power: its daemon, its jobs and all their processes; SLURM notices within some 20 s."""
        keeper = self.keepers.pop(node)
        keeper.stdin.close()
        keeper.wait(timeout=30)

    def restart_node(self, node: str) -> None:
        """Give a node its power back and return when it takes jobs; nothing happens to one that has it."""
        if node in self.keepers:
            return
        # A node that is back before SLURM noticed would seem to run its lost jobs on.
        until(lambda: self.nodes()[node].startswith("down"), 60, f"SLURM does not notice that {node} is dead")
        self.start_node(node)
        self.wait_for_nodes(node)  # ReturnToService=2 resumes it

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self.keep("slurmd", "-N", node, "-d", str(self.folder / "slurm/usr/sbin/slurmstepd"), name=node)

    def wait_for_nodes(self, *nodes: str) -> None:
        """Return when the nodes take jobs."""

        def ready() -> bool:
            try:
                states = self.nodes()
            except RuntimeError:  # not listening yet
                return False
            return all(states.get(node) in {"idle", "mixed", "allocated"} for node in nodes or NODES)

        try:
            until(ready, 60, "SLURM's nodes do not take jobs")
        except TimeoutError as error:
            logs = (self.folder / "log").glob("*.log")
            raise TimeoutError(f"{error}\n" + "\n".join(file.read_text()[-2000:] for file in logs)) from None

    def keep(self, daemon: str, *arguments: str, name: str | None = None) -> None:
        """Start a daemon that dies with all its processes when it is killed, or this process ends."""
        with (self.folder / "log/daemons.log").open("a") as log:
            self.keepers[name or daemon] = subprocess.Popen(
                [
                    *(sys.executable, Path(__file__).with_name("slurm_keeper.py")),
                    *(self.folder / "slurm/usr/sbin" / daemon, "-D", "-f", self.conf, *arguments),
                ],
                env=self.environment | libraries(self.folder / "slurm"),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop the cluster
            )


def check_machine() -> None:
    """Raise NoClusterError where SLURM cannot run."""
    if not sys.platform.startswith("linux"):
        raise NoClusterError(f"SLURM runs on Linux, and this is {sys.platform}.")
    for device in DEVICES:
        if not (device.exists() and stat.S_ISCHR(device.stat().st_mode)):
            raise NoClusterError(f"SLURM's pretend GPUs have to be devices, and {device} is none.")
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        raise NoClusterError(f"SLURM asks for the user's name, and user {os.getuid()} has none.") from None


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    # Below those that the system gives away: a node keeps its port while it is dead.
    candidates = random.sample(range(20000, 32768), 100)
    return [port for port in candidates if is_free(port)][:count]


def is_free(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def parse(line: str) -> Job:
    """Read a line of squeue."""
    values = ["" if value.strip() in {"N/A", "(null)"} else value.strip() for value in line.split("\t", maxsplit=11)]
    number, state, partition, name, nodes, per_job, per_node, cpus, memory, limit, folder, comment = values
    gres = (per_job or per_node).removeprefix("gres:")
    return Job(
        int(number), state, partition, name, nodes, gres, int(cpus), memory, limit, Path(folder), comment.strip()
    )


def until(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    """Wait for a condition, TimeoutError after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{complaint} after {seconds:g} s")
        time.sleep(0.2)
