"""What a worker of the service holds of a catalogue with segments: resident memory before and after it is loaded.

    python tests/benchmarks/segment_memory.py [TITLES] [ARTWORKS] [SEGMENTS]

The catalogue is made in this process and loaded in another, which has imported the service and nothing else.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from bandit.policies import quantise
from bandit.snapshot import Catalogue, CatalogueTitle, Current, Meta, Segment, Signals, encode_catalogue, encode_json

IDENTITY = "5" * 32
LOADS = """
import asyncio, os, sys
from pathlib import Path
import service.app, service.worker
from bandit.snapshot import decode_current, decode_meta
from service.lookup.served_generation import build_generation

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

folder = Path(sys.argv[1])
current, meta, packed = ((folder / name).read_bytes() for name in ("current", "meta", "packed"))
before = status("VmRSS"); first = status("VmHWM")
serving = asyncio.run(build_generation(decode_current(current), decode_meta(meta), packed))
assert len(serving.titles) == int(sys.argv[2])
print(f"{before:.0f} MB before ({first:.0f} at most), {status('VmRSS'):.0f} MB after, {status('VmHWM'):.0f} MB at most")
"""


def main(titles: int = 15_000, artworks: int = 10, segments: int = 64) -> None:
    """Make a catalogue, load it, and print what it took."""
    random = np.random.default_rng(1)
    rules = [Segment(f"s{number}", Signals(f"c{number}")) for number in range(segments)]
    made = []
    for title in range(titles):
        weights = quantise(random.dirichlet(np.full(artworks, 0.3), segments))
        popular = (65535 - 100 * (artworks - 1), *[100] * (artworks - 1))
        names = tuple(f"t{title:05d}-artwork-{arm:02d}" for arm in range(artworks))
        made.append(CatalogueTitle(f"t{title:05d}", names, 0, popular, weights.astype("<u2").tobytes()))
    digest, parts = encode_catalogue(Catalogue(tuple(made), "popularity", tuple(rules)))
    counts = (1, titles, titles * artworks, ("thompson",), "2026-01-01T00:00:00Z", segments)
    meta = Meta(1, IDENTITY, 7, "none", digest, len(parts), *counts)
    packed = b"".join(parts)
    size = f"{titles:,} titles x {artworks} artworks x {segments} segments: {len(packed) / 2**20:.1f} MB compressed\n"
    sys.stdout.write(size)
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        values = {"current": encode_json(Current(1, IDENTITY, 1)), "meta": encode_json(meta), "packed": packed}
        for name, value in values.items():
            (Path(folder) / name).write_bytes(value)
        subprocess.run([sys.executable, "-c", LOADS, folder, str(titles)], check=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
