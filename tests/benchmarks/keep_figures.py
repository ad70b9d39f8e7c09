"""Make the figures that come with the package out of what the benches printed: see docs/scale.md.

.venv/bin/python tests/benchmarks/keep_figures.py job.json serving.json cluster.json
"""

import argparse
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from artwork.size.measured import Job, Reading, Serving

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "artwork" / "size" / "figures.json"
KINDS = (("sized", Job), ("cases", Serving), ("node_us_per_row", Reading))


def main() -> None:
    """Replace the kinds of figures that are given; the others stay, with the date that they have."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("documents", nargs="+", type=Path)
    parser.add_argument(
        "--note", action="append", default=[], help="what a reader has to know of how they were measured"
    )
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    jobs = []
    for path in given.documents:
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
    kept |= {"date": datetime.now(UTC).date().isoformat(), "commit": commit.stdout.strip(), "notes": given.note}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
