"""One of several workers: ``python -m service.worker``, started by ``service.workers`` and of no use without it."""

import os
import signal
import sys
import threading
from functools import partial
from typing import Final

from bandit.boundary import run, write_out
from bandit.errors import InputError, SurroundingsError
from service.listening import share
from service.metrics.counters import mapped
from service.metrics.metrics import Metrics
from service.server import serve
from service.settings import load_settings
from service.workers import Order

READY: Final = "ready\n"


def main() -> None:
    """Answer until told to stop, or until the supervisor is gone.

    Raises:
        InputError: nobody gave an order.
        SurroundingsError: the port cannot be had.
    """
    try:
        order = Order.of(sys.stdin.readline())
    except (ValueError, TypeError):
        raise InputError("a worker is started by `artwork serve --workers`, which tells it what to do") from None
    threading.Thread(target=_stop_with_supervisor, daemon=True).start()
    settings = load_settings(**order.settings)
    metrics = Metrics(mapped(order.memory), order.worker)
    try:
        with share(settings.host, settings.port) as listener:
            serve(settings, listener, partial(write_out, READY), metrics)
    except SurroundingsError as error:
        raise SurroundingsError(f"worker {order.worker}: {error}") from error


def _stop_with_supervisor() -> None:
    """Standard input ends when the supervisor does, however it ends: nobody would stop an orphan."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run(lambda: main)
