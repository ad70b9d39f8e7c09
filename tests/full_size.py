"""How much the simulations simulate: less in ``make simulations``, all of it in ``make studies``."""

import os

FULL_SIZE = os.environ.get("SIMULATIONS_FULL") == "1"


def size(reduced: int, full: int) -> int:
    """The number of replicates, loops or requests of this run."""
    return full if FULL_SIZE else reduced
