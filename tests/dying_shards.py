"""Shards that do not come to their end, in a module that worker processes import."""

import os
import time


def sleep_or_die(seconds: float) -> None:
    """A shard that takes so long; without any time, its process ends at once."""
    if not seconds:
        os._exit(9)
    time.sleep(seconds)
