"""What failed in a run and why, a line per job at its end: with many jobs the errors lie far apart on the screen."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from textwrap import shorten

from snakemake_interface_logger_plugins.common import LogEvent

LONGEST = 500
"""Characters of what Snakemake says of a job; a failed `sbatch` is given with its whole command."""


@dataclass
class _Try:
    """The last try of a job: what Snakemake said as it started, a hash of its log then, and why it failed."""

    started: logging.LogRecord
    log_before: int
    failed: bool = False
    words: str = ""
    other_logs: tuple[str, ...] = ()


class Failures(logging.Handler):
    """Keeps what Snakemake logs of each job that fails.

    Snakemake logs records with fields (`LogEvent`) for its logger plugins: a job starts, an error with what Python says
    of it, a job that failed. The last two come one after the other from one thread. A job that starts again has not
    failed. No such record is written for a job whose outputs were found wrong after it ended; that error names the
    rule and the output.
    """

    def __init__(self) -> None:
        """Start with no failed job."""
        super().__init__()
        self._tries: dict[int, _Try] = {}
        self._said: dict[int | None, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record of Snakemake's logger, if it is about a job or an error."""
        fields = record.__dict__
        match fields.get("event"):
            case LogEvent.JOB_INFO:
                self._tries[fields["jobid"]] = _Try(record, hash(_content(fields["log"])))
            case LogEvent.ERROR:
                text = record.getMessage()
                if found := self._whose_output_is_wrong(text):
                    found.failed, found.words = True, text
                else:
                    self._said[record.thread] = text
            case LogEvent.JOB_ERROR if one := self._tries.get(fields["jobid"]):
                one.failed = True
                said = self._said.pop(record.thread, "")
                one.words = fields["rule_msg"] or said
                one.other_logs = tuple(fields["log"][len(one.started.__dict__["log"]) :])

    def summary(self) -> str:
        """Return which jobs failed, each with its log and the reason in one sentence; nothing where none did."""
        lines = sorted(f"  {_name(one)}: {_reason(one)}" for one in self._tries.values() if one.failed)
        title = f"Failed, and all that depends on it was not made ({len(lines)}):"
        return "\n".join([title, *lines]) if lines else ""

    def _whose_output_is_wrong(self, text: str) -> _Try | None:
        """Return the job whose rule and one of whose outputs an error names: missing, empty, or older than an input."""
        named = re.search(r" in rule (\w+) in file ", text)
        for one in self._tries.values() if named else ():
            fields = one.started.__dict__
            if fields["rule_name"] == named[1] and any(
                re.search(rf"(?<![\w./-]){re.escape(path)}(?![\w/-])", text)
                for path in (*fields["output"], fields["benchmark"])
                if path
            ):
                return one
        return None


def _name(one: _Try) -> str:
    """Return the rule and the log of a job."""
    return ", ".join([one.started.__dict__["rule_name"], *one.started.__dict__["log"][:1]])


def _content(logs: list[str]) -> bytes:
    """Return what the first of a job's logs holds, which is nothing where there is no log."""
    try:
        return Path(logs[0]).read_bytes()
    except (IndexError, OSError):
        return b""


def _reason(one: _Try) -> str:
    """Return why a job failed: the last error in the log that it wrote, else what else is known."""
    content = _content(one.started.__dict__["log"])
    # Snakemake makes or touches the log of a failed job, so only its content tells whether the job wrote it.
    wrote = hash(content) != one.log_before
    lines = content.decode(errors="replace").splitlines() if wrote else []
    if error := last_error(lines):
        return error
    said = last_words(one.words) if one.words else "Snakemake says no reason"
    log = f'its log names no error and ends with "{lines[-1]}"' if lines else "it wrote no log"
    where = f"see {', '.join(one.other_logs)}" if one.other_logs else "what it printed, if anything, stands above"
    return f"{said}; {log}; {where}."


def last_error(lines: list[str]) -> str:
    """Return the last error in a job's log: a user's mistake in a sentence, or the last line of a traceback.

    Nothing where there is none.
    """
    errors = [line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line]
    if not errors:
        return ""
    return lines[-1] if errors[-1] == "unexpected error" else errors[-1]


def last_words(text: str) -> str:
    """Return what Snakemake says of a failed job in a line: its exit code or signal, else the message without its head.

    >>> last_words("RuleException: ... Command 'x' returned non-zero exit status 3.")
    'exit code 3'
    """
    if found := re.search(r" returned non-zero exit status (\d+)\.", text):
        code = int(found[1])
        shell = [f" (a shell's code for {signal.name})" for signal in Signals if code == 128 + signal]
        return f"exit code {code}{''.join(shell)}"
    if found := re.search(r" died with <Signals\.(\w+): \d+>", text):
        return f"ended by {found[1]}"
    head, _, message = text.partition(":\n")
    return shorten(message or head, LONGEST).rstrip(".")
