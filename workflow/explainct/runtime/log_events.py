"""Something to do when Snakemake logs an event; its events are the interface of its logger plugins."""

import logging
from collections.abc import Callable

from snakemake_interface_logger_plugins.common import LogEvent


class OnEvent(logging.Handler):
    """Calls a function each time that a logger is given a record of an event."""

    def __init__(self, event: LogEvent, call: Callable[[], None]) -> None:
        """Set the event and what to call."""
        super().__init__()
        self._event = event
        self._call = call

    def emit(self, record: logging.LogRecord) -> None:
        """Call the function if the record is of the event."""
        if record.__dict__.get("event") == self._event:
            self._call()
