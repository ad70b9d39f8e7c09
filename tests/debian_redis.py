"""Redis itself, as distributions package it: the embedded Valkey has no TLS."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

START_SECONDS = 20.0

needs_redis_server = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed (Debian's package redis-server)"
)


@contextmanager
def redis_server(folder: Path, admin_url: str, options: Sequence[str]) -> Iterator[redis.Redis]:
    """A Redis with ``options`` until the end of the block, and its administrator's client."""
    log = folder / "redis.log"
    fixed = ["--dir", str(folder), "--save", "", "--maxmemory-policy", "noeviction"]
    with log.open("wb") as output:
        process = subprocess.Popen(["redis-server", *fixed, *options], stdout=output, stderr=output)
        try:
            with redis.Redis.from_url(admin_url) as client:
                _wait(client, process, log)
                yield client
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _wait(client: redis.Redis, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        with suppress(redis.ConnectionError):
            client.ping()
            return
        time.sleep(0.02)
    pytest.fail(f"redis-server did not start: {log.read_text()}")
