"""Health checks of the containers: ``health.py service [address]`` and ``health.py batch [heartbeat] [max_age_seconds]``.

Exit 0 healthy, 1 not. Standard library only, so that a check costs little more than the start of an interpreter.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

ADDRESS = "http://127.0.0.1:8000/livez"
HEARTBEAT = "/workspace/heartbeat"
MAX_AGE_SECONDS = 2 * 3600
"""The job beats before and after every hourly cycle: two hours without a beat are a missed or a stuck cycle."""


def service_is_healthy(address: str = ADDRESS) -> bool:
    """Whether the service is alive. ``/livez`` never asks the store, whose absence no restart of the service cures."""
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=4) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def batch_is_healthy(heartbeat: str = HEARTBEAT, max_age_seconds: str = str(MAX_AGE_SECONDS)) -> bool:
    """Whether the batch job wrote its heartbeat of late, and did not say there that its last cycle failed."""
    path = Path(heartbeat)
    try:
        status = json.loads(path.read_bytes())["status"]
        age_seconds = time.time() - path.stat().st_mtime
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return status != "failed" and age_seconds <= float(max_age_seconds)


CHECKS: dict[str, Callable[..., bool]] = {"service": service_is_healthy, "batch": batch_is_healthy}

if __name__ == "__main__":
    sys.exit(not CHECKS[sys.argv[1]](*sys.argv[2:]))
