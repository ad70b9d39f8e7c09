"""A new plan to edit: valid as it is, of a workspace as it stands or of the columns that a table has."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from bandit.errors import InputError
from batch.config import Config, Variant
from batch.experiments.plans.file import write_new
from batch.experiments.plans.plan import (
    GUARDRAIL,
    IMPRESSION,
    INTERLEAVING,
    PRIMARY,
    PROXY,
    TABLE,
    USER,
    USUAL_SPLITS,
    Gate,
)
from batch.experiments.quality import LEAST_USERS
from batch.experiments.table_source import as_numbers, read_table
from batch.workspace.impressions import days
from batch.workspace.workspace import Workspace

USUAL_DAYS: Final = 14
USUAL_HYPOTHESIS: Final = "The treatment raises the primary metric and costs no guardrail more than its margin."
USUAL_VARIANTS: Final = (
    Variant("control", "thompson", share=0.5),
    Variant("treatment", "epsilon_greedy:epsilon=0.1", share=0.5),
)

_COMMENTS: Final = {
    "hypothesis": "What is tried, and what it is expected to do.",
    "start": "The first day; the log must not have it yet.",
    "looks": "Days after whose end `artwork experiment read` may look; the last is the end.",
    "smallest_effect": "The smallest effect on the primary metric that matters, absolute, in its units.",
    "splits": "Shares of a user's titles that the second variant has; users are dealt to as many groups of equal size.",
    "users": "Users that are expected by the end: sequences are narrowest there.",
}
_KEPT: Final = {"user", "variant", "day"}


def draft_workspace(
    workspace: Workspace,
    name: str,
    variants: Sequence[Variant],
    *,
    hypothesis: str,
    start: date | None,
    length: int | None,
    today: date,
    interleaving: bool = False,
    gate: Sequence[float] | None = None,
) -> Path:
    """Write a plan whose variants choose artworks.

    Args:
        workspace: of the experiment.
        name: of the experiment.
        variants: the control first; shares that are left out are equal parts of the rest.
        hypothesis: what is tried.
        start: the first day; by default the one after the log, or tomorrow.
        length: days from start to end; 14 by default.
        today: the day.
        interleaving: variants split the titles of each user, not users.
        gate: shares of the second variant, for a gated deployment; such a plan has neither shares of variants nor covariates.

    Raises:
        InputError: the plan is there already, or something is wrong with it.
    """
    if interleaving and any(variant.share is not None for variant in variants if variant not in USUAL_VARIANTS):
        raise InputError(
            "a variant has a share of users, but in an interleaving all have both; leave it out: edit splits"
        )
    logged = days(workspace)
    first = start or (logged[-1] if logged else today) + timedelta(1)
    named = Config(tuple(variants)).variants
    users = _rows(workspace.users)
    before = sum(0 < (first - day).days <= USUAL_DAYS for day in logged)
    covariate = {"covariate": USUAL_DAYS} if before and not gate else {}  # CUPED, where users were there before
    content: dict[str, Any] = _head(
        hypothesis, "workspace", first, length or USUAL_DAYS, smallest_effect=0.005, users=users
    ) | {
        "segments": [],
        "variants": [_live(variant, is_gated=bool(gate)) for variant in named],
        "metrics": [
            {"name": "take rate", "role": PRIMARY, "of": "take", "per": IMPRESSION, **covariate},
            {
                "name": "watched per impression",
                "role": GUARDRAIL,
                "of": "watched_fraction",
                "per": IMPRESSION,
                "margin": 0.005,
            },
            {"name": "click rate", "role": PROXY, "of": "click", "per": IMPRESSION},
        ],
        **({"gate": _gate(gate, users)} if gate else {}),
    }
    return write_new(workspace, name, _interleaved(content) if interleaving else content, _COMMENTS)


def _interleaved(content: dict[str, Any]) -> dict[str, Any]:
    """The plan of an interleaving: shares are of titles, and every user is their own control."""
    head = {key: value for key, value in content.items() if key not in {"segments", "variants", "metrics"}}
    variants = [{key: value for key, value in arm.items() if key != "share"} for arm in content["variants"]]
    metrics = [
        {
            key: PROXY if value == GUARDRAIL else value
            for key, value in metric.items()
            if key not in {"covariate", "margin"}
        }
        for metric in content["metrics"]
    ]
    return head | {"kind": INTERLEAVING, "splits": list(USUAL_SPLITS), "variants": variants, "metrics": metrics}


def draft_table(
    workspace: Workspace,
    name: str,
    table: Path,
    *,
    hypothesis: str,
    start: date | None,
    length: int | None,
    today: date,
) -> Path:
    """Write a plan of the variants and the columns of numbers that a table has; the first of them is the primary metric.

    Raises:
        InputError: it has fewer than two variants or no column of numbers; or as ``draft_workspace``.
    """
    frame = read_table(table)
    names = sorted(
        frame["variant"].unique().to_list(), key=lambda word: (word.lower() not in {"control", "a", "0"}, word)
    )
    columns = [column for column in frame.columns if column not in _KEPT and _is_numeric(frame[column])]
    if len(names) < 2 or not columns:
        raise InputError(
            f"{table} has the variants {', '.join(names)} and the columns of numbers {', '.join(columns) or 'none'}, expected two"
            " variants and one such column or more"
        )
    first = start or today
    last = None if length else first  # rows without days are read as a whole, on the last day
    if "day" in frame.columns and not (start or length):
        seen = frame["day"].cast(pl.String).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).drop_nulls()
        if len(seen):
            first, last = min(seen.to_list()), max(seen.to_list())
    spread = float(as_numbers(frame[columns[0]]).std() or 1.0) or 1.0  # type: ignore[arg-type]
    users = max(60, frame["user"].n_unique())
    days_long = length or ((last or first) - first).days + 1
    content: dict[str, Any] = _head(
        hypothesis, TABLE, first, days_long, smallest_effect=float(f"{spread / 20:.2g}"), users=users
    ) | {
        "segments": [],
        "variants": [{"name": word, "share": share} for word, share in zip(names, _equal(len(names)), strict=True)],
        "metrics": [
            {"name": column, "role": PROXY if place else PRIMARY, "of": column, "per": USER}
            for place, column in enumerate(columns[:10])
        ],
    }
    return write_new(workspace, name, content, _COMMENTS)


def _head(
    hypothesis: str, source: str, start: date, length: int, *, smallest_effect: float, users: int
) -> dict[str, Any]:
    end = start + timedelta(days=length - 1)
    return {
        "hypothesis": hypothesis,
        "source": source,
        "start": start,
        "end": end,
        "looks": [end],
        "level": 0.95,
        "power": 0.8,
        "smallest_effect": smallest_effect,
        "users": users,
    }


def _gate(shares: Sequence[float], users: int) -> dict[str, Any]:
    """As usual; with fewer users to wait for where the first share has no more."""
    expected = int(shares[0] * users)
    return {"shares": list(shares), "nights": Gate.nights, "users": max(LEAST_USERS, min(Gate.users, expected))}


def _live(variant: Variant, *, is_gated: bool) -> dict[str, Any]:
    kept = {key: value for key, value in asdict(variant).items() if value != asdict(Variant())[key] or key == "policy"}
    return {
        "name": variant.name,
        **({} if is_gated else {"share": variant.share}),
        **{key: kept[key] for key in kept if key not in {"name", "share"}},
    }


def _equal(count: int) -> list[float]:
    each = round(1 / count, 6)
    return [1 - each * (count - 1), *[each] * (count - 1)]


def _is_numeric(column: pl.Series) -> bool:
    if not (column.dtype.is_numeric() or column.dtype in {pl.String, pl.Boolean}):
        return False
    return bool(as_numbers(column).is_finite().fill_null(value=False).all())


def _rows(users: Path) -> int:
    if not users.is_file():
        return 10_000
    return max(60, int(pl.scan_parquet(users).select(pl.len()).collect().item()))
