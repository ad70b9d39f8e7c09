"""One of several workers: ``python -m service.worker``, which only ``service.workers`` starts."""

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
    """Answer until SIGTERM, or until the supervisor is gone.

    Raises:
        InputError: no order came on standard input.
        SurroundingsError: the port is not available.
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
    """Stop when standard input ends, as it does with the supervisor however that ends."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run(lambda: main)
