"""Contenders asked by the open-loop driver, and the one place where its errors become this package's."""

from dataclasses import dataclass
from typing import Final

from artwork.bench.serving.contenders import RAW, Contender
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.service_process import HOST
from bandit.errors import SurroundingsError
from loadtest.boundary import RunError
from loadtest.driver import ceiling
from loadtest.driver.ceiling import null_server
from loadtest.driver.latency import Latency
from loadtest.driver.open_loop import Drive, Load, drive

OPEN_CONNECTIONS: Final = 64
PERSONALIZED: Final = '"source":"personalized"'
_CEILING_SECONDS: Final = 2.0
_CEILING_TRIES: Final = 2
CONNECTIONS: Final = 32
"""Of a closed loop, where every connection asks again as soon as it is answered."""


@dataclass(frozen=True)
class ClosedRun:
    """Answers per second of a closed loop, answers that failed, and the latency from request to answer."""

    rate: float
    failed: int
    latency: Latency


def load_of(
    contender: Contender, rate: float | None, seconds: float, connections: int = OPEN_CONNECTIONS, seed: int = 0
) -> Load:
    """What to ask of a contender; every answer is compared with what it must contain."""
    return Load(
        HOST,
        contender.server.port,
        contender.requests,
        rate,
        seconds,
        expected=contender.expected,
        connections=connections,
        seed=seed,
    )


def asked_by_driver(load: Load, name: str) -> Drive:
    """Drive a load.

    Raises:
        WrongAnswerError: an answer was not the one to its request.
        SurroundingsError: the driver cannot drive it.
    """
    try:
        driven = drive(load)
    except RunError as error:
        raise SurroundingsError(f"{name} cannot be measured: {error}") from error
    if driven.wrong:
        raise WrongAnswerError(
            f"{name}: {driven.wrong} of {driven.requests} answers belong to no request that was made"
        )
    return driven


def from_rows(contender: Contender, driven: Drive) -> float:
    """The share of requests that were answered, and from the user's row where the answer says so."""
    right = driven.statuses.get(200, 0) if contender.name == RAW else driven.marks[PERSONALIZED]
    return right / driven.requests if driven.requests else 0.0


def closed_by_driver(contender: Contender, seconds: float) -> tuple[ClosedRun, float]:
    """A closed loop, and the share of it that was answered from rows."""
    driven = asked_by_driver(load_of(contender, None, seconds, CONNECTIONS), contender.name)
    failed = driven.requests - driven.statuses.get(200, 0)
    return ClosedRun(driven.rate, failed, driven.latency), from_rows(contender, driven)


def driver_ceiling(contender: Contender, seconds: float, core: int | None) -> float:
    """Requests per second that the driver gets through against a server that does nothing.

    Raises:
        SurroundingsError: the server that does nothing does not start.
    """
    try:
        with null_server(core) as port:
            return drive(Load(HOST, port, contender.requests, None, seconds, connections=OPEN_CONNECTIONS)).rate
    except RunError as error:
        raise SurroundingsError(f"the driver's ceiling cannot be measured: {error}") from error


def is_saturated(contender: Contender, rate: float, seconds: float, core: int | None) -> bool:
    """Whether the driver fails, twice in a row, to hold 1.5 times a rate against a server that does nothing.

    What it can do shows in one run; a moment of somebody else's on the machine spoils a short one.

    Raises:
        SurroundingsError: the server that does nothing does not start.
    """
    try:
        load = load_of(contender, rate, seconds)
        lasting = min(seconds, _CEILING_SECONDS)
        return not any(ceiling.ceiling(load, rate, lasting, core).held for _ in range(_CEILING_TRIES))
    except RunError as error:
        raise SurroundingsError(f"the driver's ceiling cannot be measured: {error}") from error
