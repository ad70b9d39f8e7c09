"""How soon a new best artwork wins with ``linear`` and with ``shared``, over seeds, floors and pessimism.

    python tests/benchmarks/new_artworks.py --first 301 --count 5

Each seed draws a world of synthetic users and titles. Half of the titles get their best artwork only after a day of Thompson
sampling. A line of JSON tells each season; the last lines compare the posteriors over seeds. The exit code is 1 where ``shared``
does not find more of them in the usual settings, on every seed.
"""

import argparse
import json
import sys
from dataclasses import asdict

from artwork.compare.world import scene_of
from bandit.simulation.studies.new_artworks import DIALS, POSTERIORS, NewArtworkRow, new_artwork_row
from batch.datasets import synthetic


def main() -> int:
    """Play the seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("first", 301), ("count", 5), ("users", 150), ("titles", 30), ("dials", len(DIALS))):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    rows: list[NewArtworkRow] = []
    for seed in range(given.first, given.first + given.count):
        scene = scene_of(synthetic.build(given.users, given.titles, seed))
        for dials in DIALS[: given.dials]:
            for posterior in POSTERIORS:
                rows.append(new_artwork_row(scene, posterior, dials, seed))
                sys.stdout.write(json.dumps(asdict(rows[-1])) + "\n")
                sys.stdout.flush()
    usual = [row for row in rows if row.dials == DIALS[0]]
    pairs = list(zip(usual[::2], usual[1::2], strict=True))
    for linear, shared in pairs:
        sys.stdout.write(
            f"seed {linear.seed}: linear finds {linear.found} of {linear.artworks}, shared {shared.found};"
            f" title's impressions until then, median: {linear.title_impressions:g} and {shared.title_impressions:g}\n"
        )
    return int(any(shared.found <= linear.found for linear, shared in pairs))


if __name__ == "__main__":
    sys.exit(main())
