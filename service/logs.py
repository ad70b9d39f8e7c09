"""Logs: one JSON object per line on standard error, also of libraries, and a bounded number of lines per minute and kind."""

import asyncio
import logging
import logging.config
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

import structlog

LEVELS = logging.getLevelNamesMapping()
LINES: Final = 10
"""Of one kind within ``WINDOW_SECONDS``: enough to see what it is. Metrics show how often it happens."""
WINDOW_SECONDS: Final = 60.0
MAX_KINDS: Final = 256
"""Further kinds share one, which bounds the memory."""

logger = structlog.get_logger()


def configure_logs(level: str) -> None:
    """Set up logs for the whole process; called once, before the server runs."""
    structlog.configure(
        processors=[RateLimit(), *_stamps(), structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.config.dictConfig(server_log_config("warning" if level == "info" else level))
    logging.captureWarnings(True)  # noqa: FBT003 - its only parameter
    _hook_in()


def server_log_config(level: str) -> dict[str, Any]:
    """A ``logging`` configuration that gives the lines of all libraries, the server included, the same form."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_stamps(), _left_out, structlog.processors.format_exc_info],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    }
    handler = {
        "class": "logging.StreamHandler",
        "formatter": "json",
        "filters": ["seldom"],
        "stream": "ext://sys.stderr",
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "filters": {"seldom": {"()": RateLimit}},
        "handlers": {"stderr": handler},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"uvicorn": {"handlers": ["stderr"], "level": level.upper(), "propagate": False}},
    }


class RateLimit:
    """Lets ``LINES`` lines of a kind pass within ``WINDOW_SECONDS``; ``left_out`` of the next says how many did not pass.

    It is a processor of structlog, whose kinds are events, and a filter of ``logging``, whose kinds are messages without values.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[str, list[float]] = {}  # its beginning, lines that passed, lines that did not

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The event, unless it is left out."""
        before = self.left_out(str(event.get("event")))
        if before is None:
            raise structlog.DropEvent
        if before:
            event["left_out"] = before
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line of ``logging`` passes."""
        before = self.left_out(f"{record.name} {record.msg}")
        record.left_out = before
        return before is not None

    def left_out(self, kind: str) -> int | None:
        """How many lines of a kind were left out before this one; None if this one is left out."""
        now = self._clock()
        if kind not in self._windows and len(self._windows) >= MAX_KINDS:
            kind = "other"
        window = self._windows.setdefault(kind, [now, 0, 0])
        if now - window[0] >= WINDOW_SECONDS:
            window[:2] = now, 0
        if window[1] >= LINES:
            window[2] += 1
            return None
        window[1] += 1
        before, window[2] = window[2], 0
        return int(before)


def loop_trouble(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log what only the event loop could report; with a traceback only where there may be a bug.

    A client or a store that hangs up is not worth a line.
    """
    error = context.get("exception")
    if isinstance(error, (ConnectionError, TimeoutError)):
        logger.debug("peer_gone", error=str(error))
    elif isinstance(error, OSError):
        logger.warning("system_refuses", error=str(error), message=context.get("message"))
    else:
        logger.error("event_loop_trouble", message=context.get("message"), exc_info=error)


def _left_out(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    left_out = getattr(event.get("_record"), "left_out", 0)
    return event | ({"left_out": left_out} if left_out else {})


def _hook_in() -> None:
    """Log Python's own reports too, unless their hooks are taken."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = lambda _kind, error, _place: _report("uncaught_exception", error)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda thread: _report("uncaught_exception", thread.exc_value)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda ignored: _report("unraisable_exception", ignored.exc_value)


def _report(event: str, error: BaseException | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(type(error), error, error.__traceback__)
    else:
        logger.critical(event, exc_info=error)


def _stamps() -> list[Any]:
    return [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
