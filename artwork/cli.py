"""The ``artwork`` command: the boundary first, then whatever a command imports, so that nothing goes wrong outside of it."""

import sys
from collections.abc import Callable

FAMILIES = {
    "demo": "demo",
    "web": "web",
    "doctor": "doctor",
    "data": "data",
    "train": "jobs",
    "precompute": "jobs",
    "publish": "jobs",
    "run": "jobs",
    "serve": "serve",
    "store": "store",
    "generations": "generations",
    "catalogue": "catalogue",
    "impressions": "impressions",
    "ingest": "events",
    "join": "join",
    "events": "events",
    "simulate": "simulate",
    "explain": "explain",
    "report": "report",
    "compare": "compare",
    "experiment": "experiment.family",
    "loadtest": "loadtest",
    "bench": "bench",
    "size": "size",
}
"""The module of ``artwork.commands`` that holds each command."""


def main() -> None:
    """Run the command line; the exit codes are those of ``bandit.boundary``."""
    try:
        from artwork.foreign_package import foreign_bandit  # noqa: PLC0415

        if complaint := foreign_bandit():
            sys.stderr.write(f"error: {complaint}\n")
            sys.exit(3)
        from bandit.boundary import run  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    run(_load)


def _load() -> Callable[[], object]:
    from artwork.extras import check, explained  # noqa: PLC0415 - inside the boundary

    asked = next((word for word in sys.argv[1:] if word in FAMILIES), None)
    check(asked)
    with explained(asked):
        from artwork.app import load  # noqa: PLC0415

        command = load()

    def run() -> object:
        with explained(asked):
            return command()

    return run


if __name__ == "__main__":
    main()
