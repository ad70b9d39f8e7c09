"""``python -m loadtest``: run the scenarios against a service and judge them, or look for the highest rate that it holds.

Exit 0 within budgets, 1 failed, 2 wrong input, 3 the service or locust failed, or there is no verdict.
"""

from collections.abc import Callable

from loadtest.boundary import run


def _load() -> Callable[[], int]:
    from loadtest.command import main  # noqa: PLC0415 - inside the boundary

    return main


if __name__ == "__main__":
    run(_load)
