"""What failed in a run and why, a line per job at its end: with many jobs the errors lie far apart on the screen."""

from collections.abc import Iterable
from pathlib import Path

KILLED = "its log names no error: it was killed, or had too little memory or time"


def failures(failed: Iterable[tuple[str, str | Path]]) -> str:
    """Return which jobs failed, each with its log and the reason in one sentence.

    Args:
        failed: rule and log of each job that failed and was given up.
    """
    lines = sorted(f"  {rule}, {log}: {reason(log)}" for rule, log in failed)
    return "\n".join([f"Failed, and all that depends on it was not made ({len(lines)}):", *lines])


def reason(log: str | Path) -> str:
    """Return the last error in the log of a job: a user's mistake in a sentence, else the last line of a traceback."""
    path = Path(log)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    errors = [line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line]
    if not errors:
        return KILLED
    return lines[-1] if errors[-1] == "unexpected error" else errors[-1]
