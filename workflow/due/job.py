"""What every job of the workflow does around its one call: log to a file, and report a user's mistake in a sentence."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from due.errors import DueError
from due.files import is_disk_full
from due.log_file import LogFile

STOPPED_BY = (signal.SIGTERM, signal.SIGUSR1)
"""What clusters send before they take a machine away."""


@contextmanager
def job(log_file: str | Path) -> Iterator[None]:
    """Send the job's log to `log_file` and to standard error; end it with code 1 and one sentence on a user's mistake.

    Unexpected errors keep their traceback, in the log as well. A job that is asked to stop cleans up and ends.
    """
    # Same seed, same bytes: writers of PDF and others put this in place of the current time.
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")
    handlers = (LogFile(log_file), logging.StreamHandler())
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers, force=True
    )
    before = {number: signal.signal(number, _stop) for number in STOPPED_BY}
    try:
        yield
    except DueError as error:
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


def _stop(number: int, _: FrameType | None) -> None:
    """End the job where it stands, as a shell would report it; half-written files are removed on the way out."""
    logging.error("Stopped by %s. Repeat the command: it goes on after what is saved.", signal.Signals(number).name)
    sys.exit(128 + number)
