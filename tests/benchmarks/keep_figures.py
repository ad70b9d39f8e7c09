"""Make the figures that come with the package out of what the benches printed: see docs/scale.md.

.venv/bin/python tests/benchmarks/keep_figures.py job.json serving.json cluster.json
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from artwork.size.measured import Job, Reading, Serving

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "artwork" / "size" / "figures.json"
PAGE = ROOT / "docs" / "scale.md"
COLUMNS = "130"
"""Of the tables on the page."""
BLOCK = re.compile(
    r"^    ((?:artwork size|python tests/benchmarks/scale\.py)[^\n]*)\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
"""A command, and what it prints."""
KINDS = (("sized", Job), ("cases", Serving), ("node_us_per_row", Reading))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("documents", nargs="*", type=Path)
    parser.add_argument(
        "--note", action="append", default=[], help="what a reader has to know of how they were measured"
    )
    given = parser.parse_args()
    if given.documents:
        keep(given.documents, given.note)
    PAGE.write_text(with_output(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_output(text: str) -> str:
    """A page with what its commands print today."""
    return BLOCK.sub(lambda block: f"    {block[1]}\n\n```text\n{output(block[1])}```", text)


def output(command: str) -> str:
    words = shlex.split(command)
    own = [sys.executable, "-m", "artwork.cli", *words[1:]] if words[0] == "artwork" else [sys.executable, *words[1:]]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTWORK_")}
    done = subprocess.run(
        own, capture_output=True, text=True, check=True, cwd=ROOT, env=environment | {"COLUMNS": COLUMNS}
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines()) + "\n"


def keep(documents: list[Path], notes: list[str]) -> None:
    """Replace the kinds of figures that are given."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    jobs = []
    for path in documents:
        raw = path.read_bytes()
        document = json.loads(raw)
        kind: Any = next(kind for name, kind in KINDS if name in document)
        own = kind.model_validate_json(raw).model_dump()
        if kind is Job:
            jobs.append(own)
        else:
            kept["serving" if kind is Serving else "reading"] = own
    if jobs:
        shapes = {own["plan"]["picks"] for own in jobs}
        kept["jobs"] = [own for own in kept.get("jobs", []) if own["plan"]["picks"] not in shapes] + jobs
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    kept |= {"date": datetime.now(UTC).date().isoformat(), "commit": commit.stdout.strip(), "notes": notes}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
