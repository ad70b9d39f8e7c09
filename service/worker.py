"""One of several workers: ``python -m service.worker``, started by ``service.workers`` and of no use without it."""

import os
import signal
import sys
import threading

from bandit.errors import SurroundingsError
from service.counters import mapped
from service.listening import share
from service.metrics import Metrics
from service.server import serve
from service.settings import load_settings
from service.workers import EXIT_SURROUNDINGS, Order


def main() -> None:
    """Answer until told to stop, or until the supervisor is gone."""
    order = Order.of(sys.stdin.readline())
    threading.Thread(target=_stop_with_supervisor, daemon=True).start()
    settings = load_settings(**order.settings)
    metrics = Metrics(mapped(order.memory), order.worker)
    try:
        with share(settings.host, settings.port) as listener:
            serve(settings, listener, _announce, metrics)
    except SurroundingsError as error:
        sys.stderr.write(f"error: worker {order.worker}: {error}\n")
        sys.exit(EXIT_SURROUNDINGS)


def _announce() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _stop_with_supervisor() -> None:
    """Standard input ends when the supervisor does, however it ends: nobody would stop an orphan."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
