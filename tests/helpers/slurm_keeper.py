"""Runs a daemon and dies with it: everything that the daemon ever started is killed when standard input closes.

SLURM lets the processes of its jobs go, so that they outlive their daemon. Here they are adopted, and a node of the
cluster is one tree of processes. Its death looks like a power cut, and comes also where the tests were killed.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run the command given as arguments until standard input closes."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=reap, daemon=True).start()
    sys.stdin.read()
    kill_all()


def reap() -> None:
    """Bury the dead among the adopted, or SLURM would see them as running."""
    while True:
        with contextlib.suppress(ChildProcessError):
            os.wait()
        time.sleep(0.1)


def kill_all() -> None:
    """Stop all descendants before the first one dies, so that none can tell of it, then kill them."""
    stopped: set[int] = set()
    while new := descendants() - stopped:  # one may have forked before it was stopped
        send(signal.SIGSTOP, new)
        stopped |= new
    while alive := descendants():
        send(signal.SIGKILL, alive)
        time.sleep(0.01)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def send(number: signal.Signals, pids: set[int]) -> None:
    """Send a signal to those processes that still exist."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants() -> set[int]:
    """Return all living processes below this one."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(stat.parent.name))
    found: set[int] = set()
    todo = [os.getpid()]
    while todo:
        new = children.get(todo.pop(), [])
        found.update(new)
        todo.extend(new)
    return found


if __name__ == "__main__":
    main()
