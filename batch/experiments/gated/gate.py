"""The gate of an experiment: every night it reads the data so far, and widens a treatment, leaves it, ships it or takes it back.

Where it stands is what its last record says, and a record follows from its inputs alone. A run that is killed after a record was
written serves what the record says; one that is killed before that decides the same once more.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final, NamedTuple

import polars as pl

from bandit.errors import InputError
from batch.config import Config, Variant
from batch.experiments.deciding import keep, record_of
from batch.experiments.gated.shipped import Shipped, read_shipped, write_shipped
from batch.experiments.gated.standing import KIND, SHIP, Standing, standing_of
from batch.experiments.listing import experiments_of, with_variants
from batch.experiments.measuring import DAY, EXPOSED, SHARE, USER_ID, VARIANT, Seen
from batch.experiments.plans.plan import Plan
from batch.experiments.reading import Source, peek_at, see
from batch.experiments.register import RUNNING, Registered, registered, running, stop
from batch.workspace.impressions import days
from batch.workspace.workspace import Workspace

_SAME_SHARE: Final = 1e-9


class Gated(NamedTuple):
    """How a night chooses: its configuration, the digests of the plans that it is made under, and where the gate stands."""

    config: Config
    experiments: dict[str, str]
    standing: Standing


def pass_gate(source: Source, name: str, shared: Config) -> Gated:
    """Decide on the data so far, put it on record, and say how the next generation chooses.

    Args:
        source: the workspace, and the day of whoever asks.
        name: of the experiment.
        shared: what generations have besides variants.

    Raises:
        InputError: as ``check_gate``; or the data are not as the plan says.
        SurroundingsError: the record cannot be written.
    """
    workspace, own = source.workspace, check_gate(source.workspace, name)
    before = standing_of(workspace, own.plan)
    now = before if before.is_over else _decided(source, own, before)
    if now.is_over and own.register.state == RUNNING:
        _finish(workspace, own, now)
    config = with_variants(shared, *_variants(workspace, own.plan, now))
    return Gated(config, experiments_of(workspace, config), now)


def check_gate(workspace: Workspace, name: str) -> Registered:
    """Refuse what can pass no gate, before anything is done for it.

    Raises:
        InputError: it has no gate, has not started, was changed, or was stopped by hand; or another gated experiment runs.
    """
    own = registered(workspace, name)
    refuse_beside(workspace, name)
    if own.register.state != RUNNING and own.register.stopped_for != _reason(standing_of(workspace, own.plan)):
        raise InputError(f"experiment {name} was stopped; make generations of your own choice without --gate")
    return own


def refuse_beside(workspace: Workspace, name: str | None) -> None:
    """Refuse generations of another choice while a gated experiment runs: a layer has one change at a time.

    Raises:
        InputError: names the experiment.
    """
    try:
        there = running(workspace)
    except InputError:  # a register that cannot be read keeps no generation from being made
        return
    for other, own in there.items():
        if own.plan.gate is not None and other != name:
            raise InputError(
                f"experiment {other} is gated and runs in the layer {own.plan.layer}: `artwork run --gate {other}` makes its"
                " generations, and another choice would be a second change at once; wait for its end, or"
                f" `artwork experiment stop {other}` first"
            )


def _decided(source: Source, own: Registered, before: Standing) -> Standing:
    """Where it stands after this night: as before if there is nothing new to read."""
    workspace, plan = source.workspace, own.plan
    if not any(plan.start <= day <= plan.end for day in days(workspace)):
        return before
    seen = see(source, own)
    is_over = seen.last >= plan.end and source.today > plan.end
    stands = {"step": before.step, "is_over": is_over, **_seen_at(seen, before.share, source.today)}
    record = record_of(plan, peek_at(source, own, seen), stands)
    if before.record is not None and _is_known(json.loads(before.record.read_bytes())["inputs"], record["inputs"]):
        return before
    keep(workspace, plan.name, KIND, record)
    return standing_of(workspace, plan)


def _is_known(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the last record was made of the same data, and no day is over since: a step that it began has seen nothing yet."""
    then, stands = before["gate"], now["gate"]
    has_begun = then["step"] != stands["step"]
    return all(before[key] == now[key] for key in ("day", "data", "quality")) and (
        then["is_over"] == stands["is_over"] and (has_begun or then["nights"] == stands["nights"])
    )


def _seen_at(seen: Seen, share: float, today: date) -> dict[str, int]:
    """The days on which a share was served, of those that are over, and the users whom the treatment has had with it."""
    own = seen.days.filter(pl.col(EXPOSED) > 0, (pl.col(SHARE) - share).abs() < _SAME_SHARE)
    nights = own.filter(pl.col(DAY) < today)[DAY].n_unique()  # today goes on: a job of every hour has no night an hour
    return {"nights": nights, "users": own.filter(pl.col(VARIANT) == 1)[USER_ID].n_unique()}


def _finish(workspace: Workspace, own: Registered, now: Standing) -> None:
    """Make what was shipped the policy of the workspace, and free the layer; done again it is the same."""
    treatment = own.plan.variants[1].live
    if now.action == SHIP and treatment is not None and now.record is not None:
        digest = json.loads(now.record.read_bytes())["digest"]
        write_shipped(workspace, Shipped(replace(treatment, share=None), own.plan.name, digest))
    stop(workspace, own.plan.name, _reason(now))


def _reason(now: Standing) -> str:
    """Why a gate stops its experiment; one with another reason was stopped by hand."""
    return f"gate: {now.action}"


def _variants(workspace: Workspace, plan: Plan, now: Standing) -> tuple[tuple[Variant, ...], str]:
    """The variants that users have, and the salt that says who has which; after its end the policy of the workspace alone."""
    control, treatment = plan.config.variants
    if not now.is_over:
        return (replace(control, share=1 - now.share), replace(treatment, share=now.share)), plan.key
    shipped = read_shipped(workspace)
    return (replace(control if shipped is None else shipped.variant, share=None),), ""
