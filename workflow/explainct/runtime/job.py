"""What every job of the workflow does around its one call, and how the call gets its arguments.

It keeps other jobs from writing its outputs, hides GPUs that it did not ask for, logs to a file, and reports a user's
mistake in a sentence.
"""

import inspect
import json
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, get_args, get_origin, get_type_hints

from explainct.errors import UserError
from explainct.runtime.files import is_disk_full
from explainct.runtime.lock import OutputLock
from explainct.runtime.log_file import LogFile

STOPPED_BY = (signal.SIGTERM, signal.SIGUSR1)
"""What clusters send before they take a machine away."""


def run(function: Callable[..., Any], snakemake: Any) -> None:
    """Call `function` as the job of a rule: its parameters are the rule's inputs, outputs, arguments and wildcards.

    Args:
        function: what the job computes.
        snakemake: what Snakemake puts into scripts.
    """
    with job(snakemake):
        function(**bound(function, snakemake))


def bound(function: Callable[..., Any], snakemake: Any) -> dict[str, Any]:
    """Return the arguments of a job's function by name: paths as `Path`, wildcards as the numbers that they spell.

    Every named input and output and every entry of the parameter `arguments` must be a parameter of the function.
    Inputs without a name only have to be there. Wildcards, `threads`, `code` and `tmpdir` are given where the function
    takes them.

    Args:
        function: what the job computes; its annotations say what a value becomes.
        snakemake: the job's input, output, params, wildcards, resources, and all settings.

    Raises:
        UserError: a name is missing, unknown, or given twice.
    """
    arguments = snakemake.params.get("arguments", {})
    given = [dict(snakemake.input.items()), dict(snakemake.output.items()), dict(arguments)]
    offered = dict(snakemake.wildcards.items()) | {
        # Not the threads of the rule: Snakemake lowers them to the cores that it may use, and sums in another number of
        # threads have other last digits.
        "threads": snakemake.config["train"]["threads"],
        "code": snakemake.params.get("code"),
        "tmpdir": snakemake.resources.get("tmpdir"),
    }
    check_names(function, snakemake.rule, [set(part) for part in given], set(offered))
    values = offered | {name: value for part in given for name, value in part.items()}
    hints = get_type_hints(function)
    wanted = inspect.signature(function).parameters
    return {name: _as_annotated(values[name], hints.get(name)) for name in wanted if name in values}


def check_names(function: Callable[..., Any], rule: str, given: Sequence[set[str]], offered: set[str]) -> None:
    """Check that a rule gives a function the arguments that it takes, without looking at any value.

    Args:
        function: what the rule's job calls.
        rule: name of the rule.
        given: names of inputs, of outputs and of arguments, all of which the function must take.
        offered: names that it may take: wildcards and others.

    Raises:
        UserError: a name is missing, unknown, or given twice.
    """
    counts = Counter(name for part in given for name in part)
    parameters = inspect.signature(function).parameters
    needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty}
    problems = {
        "gives twice": [name for name, count in counts.items() if count > 1],
        "lacks": needed - counts.keys() - offered,
        "gives, but the function does not take,": counts.keys() - parameters.keys(),
    }
    found = [f"{what} {', '.join(sorted(names))}" for what, names in problems.items() if names]
    if found:
        raise UserError(f"Rule {rule} {'; it '.join(found)} ({function.__module__}.{function.__name__}).")


def _as_annotated(value: Any, hint: Any) -> Any:
    """Return a value from a rule as the function's annotation names it."""
    if hint is Path:
        return Path(str(value))
    if hint == Path | None:
        return Path(str(value)) if value else None
    if get_origin(hint) is Sequence and get_args(hint) == (Path,):
        return [Path(path) for path in ([value] if isinstance(value, str) else value)]
    return hint(value) if hint in (int, float) else value


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Send the job's log to its file and to standard error; end it with code 1 and one sentence on a user's mistake.

    Unexpected errors keep their traceback, in the log as well. A job that is asked to stop cleans up and ends. If
    another job writes the same outputs, it is waited for, and if that was the same job, this one ends with code 0.

    Args:
        snakemake: what Snakemake puts into scripts: the job's rule, input, output, params, resources and log.
    """
    # Same seed, same bytes: writers of PDF and others put this in place of the current time.
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")
    if not (snakemake.resources.get("gpu") or snakemake.resources.get("gres")):
        # SLURM leaves all GPUs of a machine visible to a job that asked for none.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    before = {number: signal.signal(number, _stop) for number in STOPPED_BY}
    try:
        lock = OutputLock(snakemake.output, _identity(snakemake))
        taken = lock.take()
        _log_to(Path(snakemake.log[0]))
        if not taken:
            logging.info("another job made %s in the meantime", snakemake.output[0])
            sys.exit(0)
        if number := os.environ.get("SLURM_JOB_ID"):
            devices = os.environ.get("CUDA_VISIBLE_DEVICES") or "none"
            logging.info("SLURM job %s on node %s, GPU %s", number, os.environ.get("SLURMD_NODENAME"), devices)
        yield
        lock.done()
    except UserError as error:
        logging.error("%s", error)
        sys.exit(1)
    except Exception as error:
        if not is_disk_full(error):
            logging.exception("unexpected error")
            raise
        logging.error("No space left on the device (%s). Free some space and repeat the command.", error)
        sys.exit(1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        logging.shutdown()


def _identity(snakemake: Any) -> str:
    """Return what tells a job from others: its outputs, its parameters with the code, and the state of its inputs.

    Two rules may make the same file in the same way, as one training by itself or among all seeds.
    """
    inputs = [(str(path), os.stat(path).st_mtime_ns) for path in snakemake.input]  # noqa: PTH116
    return json.dumps([list(snakemake.output), dict(snakemake.params.items()), inputs], sort_keys=True, default=str)


def _log_to(file: Path) -> None:
    """Send all log messages to a file, and to standard error."""
    handlers = (LogFile(file), logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers, force=True
    )


def _stop(number: int, _: FrameType | None) -> None:
    """End the job where it stands, as a shell would report it; half-written files are removed on the way out."""
    logging.error("Stopped by %s. Repeat the command: it goes on after what is saved.", signal.Signals(number).name)
    sys.exit(128 + number)
