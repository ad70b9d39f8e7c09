"""What a worker keeps of the answers that it has written."""

import subprocess
import sys

SERVES_EVERY_PROPENSITY = """
import asyncio, os, struct
from pathlib import Path
from bandit.snapshot import Catalogue, CatalogueTitle, Current, Meta, encode_catalogue, encode_row, row_key
from service.lookup.served_generation import build_generation
from service.lookup.look_up import LookUp
from service.metrics.metrics import Metrics
from service.lookup.store import MemoryStore

TITLES, IDENTITY = 255, "0" * 32

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

catalogue = Catalogue(tuple(CatalogueTitle(f"t{n}", ("a",), 0, (65535,)) for n in range(TITLES)), "popularity")
digest, parts = encode_catalogue(catalogue)
described = ("none", digest, len(parts), 257, TITLES, TITLES, ("thompson",), "2026-01-01T00:00:00Z")
store = MemoryStore({
    row_key(1, f"u{user}"): encode_row(
        f"u{user}", 1, IDENTITY, 0, b"".join(struct.pack("<BH", 0, user * TITLES + n + 1) for n in range(TITLES))
    )
    for user in range(257)
})

async def serve():
    serving = await build_generation(Current(1, IDENTITY, 1), Meta(1, IDENTITY, 7, *described), b"".join(parts))
    look_up = LookUp(store, Metrics())
    asked = [f"t{n}".encode() for n in range(TITLES)]
    warm = look_up.page(serving, b"nobody", serving.find(asked), None)
    before = resident_mb()
    seen = set()
    for user in range(257):
        body = look_up.page(serving, b"u%d" % user, serving.find(asked), await look_up.read(serving, b"u%d" % user))
        seen.update(part.partition(b",")[0] for part in body.split(b'"propensity":')[1:])
    return before, len(seen), look_up

before, seen, look_up = asyncio.run(serve())
print(seen, resident_mb() - before)
"""
"""65,535 = 257 users x 255 titles: every weight once; prints how many propensities were seen, and what memory grew by."""


def test_a_worker_that_has_served_every_propensity_has_grown_by_a_few_megabytes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVES_EVERY_PROPENSITY], capture_output=True, text=True, check=True, timeout=120
    )
    seen, grown_mb = done.stdout.split()
    assert int(seen) == 65535
    assert float(grown_mb) < 40
