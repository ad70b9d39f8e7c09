"""A day's numbers are checked before anything is summed up of them."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from bandit.errors import InputError
from batch.monitoring.days import read_facts, refuse_odd_values
from batch.workspace.impressions import day_folder
from batch.workspace.workspace import Workspace

DAY = date(2026, 1, 5)
SOUND: dict[str, Any] = {
    "user_id": "u1",
    "title_id": "t1",
    "artwork_id": "a1",
    "policy": "thompson",
    "source": "personalized",
    "arm": 0,
    "eligible": [0, 1],
    "propensity": 0.5,
    "context": [1.0, 0.2],
    "clicked": True,
    "watch_fraction": 0.9,
    "reward": 1.0,
}


def write(workspace: Workspace, **changes: Any) -> None:
    folder = day_folder(workspace, DAY)
    folder.mkdir(parents=True)
    pl.DataFrame([SOUND, SOUND, SOUND | changes]).write_parquet(folder / "part-000000.parquet")


def test_a_sound_day_is_counted(workspace: Workspace) -> None:
    write(workspace)
    refuse_odd_values(workspace, DAY)
    assert read_facts(workspace, DAY, "take").impressions == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("propensity", "watch_fraction", "reward")
            for value in (float("nan"), None, -0.1, 7.0)
        ),
        ("propensity", 0.0),
        ("reward", float("inf")),
        *((name, None) for name in ("user_id", "title_id", "artwork_id", "arm", "eligible", "clicked", "context")),
        *(("context", [1.0, value]) for value in (float("nan"), float("-inf"), None)),
    ],
)
def test_a_day_with_an_odd_number_is_refused_and_named(workspace: Workspace, name: str, value: Any) -> None:
    write(workspace, **{name: value})
    with pytest.raises(InputError, match=f"day=2026-01-05: {name} is odd in 1 impressions"):
        read_facts(workspace, DAY, "take")
