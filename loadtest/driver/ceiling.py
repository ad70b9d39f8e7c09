"""The driver's own limit: a result that it cannot outrun says more about the client than about the service."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from loadtest.boundary import RunError
from loadtest.driver.open_loop import Load, drive

HEADROOM: Final = 1.5
"""The driver must hold this many times the rate that it measured at."""

HELD_SHARE: Final = 0.99
"""Of the asked rate, to be called held."""

HELD_P99_MS: Final = 5.0
"""A server that does nothing answers in a quarter of a millisecond; beyond this, the driver measures itself."""


@dataclass(frozen=True)
class Ceiling:
    """How the driver did against a server that does nothing, asked for ``HEADROOM`` times a rate."""

    asked_rate: float
    rate: float
    rate_share: float
    p99_ms: float
    lag_p99_ms: float

    @property
    def held(self) -> bool:
        """Whether the driver has headroom enough to judge."""
        return self.rate_share >= HELD_SHARE and self.p99_ms <= HELD_P99_MS


def ceiling(load: Load, rate: float, seconds: float = 2.0, server_core: int | None = None) -> Ceiling:
    """Drive the load's requests against a null server at ``HEADROOM`` times ``rate``, answers per second.

    Pin the null server where the service runs, for a driver that shares its core would measure that.
    """
    with null_server(server_core) as port:
        asked = replace(load, host="127.0.0.1", port=port, expected=None, rate=HEADROOM * rate, seconds=seconds)
        driven = drive(asked)
    return Ceiling(HEADROOM * rate, driven.rate, driven.rate_share, driven.latency.p99_ms, driven.lag_p99_ms)


@contextmanager
def null_server(core: int | None = None) -> Iterator[int]:
    """The port of a null server on loopback, in a process of its own, pinned to ``core`` if one is given.

    Raises:
        RunError: it does not start.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "loadtest.driver.null_server",
        *([] if core is None else ["--core", str(core)]),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own interpreter, no shell
    assert process.stdout is not None  # noqa: S101  it was asked for
    try:
        said = process.stdout.readline()
        if not said.strip().isdigit():
            raise RunError(
                f"the null server did not start, it said {said!r}; run `python -m loadtest.driver.null_server`"
            )
        yield int(said)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
