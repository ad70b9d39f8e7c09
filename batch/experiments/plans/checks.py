"""The door of plans: every key that is wrong, missing or not known is told by name, all of them at once."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from math import fsum, isfinite
from typing import Any, Final

from bandit.errors import InputError
from bandit.experiments import spending_bounds
from batch.config import Config, Variant
from batch.experiments.plans.keys import REQUIRED, Complaints, is_day, shown
from batch.experiments.plans.known_keys import (
    ARM_KEYS,
    GATE_KEYS,
    LIVE_KEYS,
    MOST_DAYS,
    RESERVED,
    SEGMENTS,
    TABLE_ARM_KEYS,
    TOP_KEYS,
    is_of_the_page,
    metric_keys,
)
from batch.experiments.plans.plan import (
    GUARDRAIL,
    IMPRESSION,
    INTERLEAVING,
    PICKS,
    PRIMARY,
    SOURCES,
    TABLE,
    USER,
    USUAL_SPLITS,
    WORKSPACE,
    Arm,
    Gate,
    Metric,
    Plan,
    information,
)

_ROUNDING: Final = 1e-9


def checked_plan(name: str, content: Mapping[str, Any], where: str) -> Plan:
    """The plan that a file holds.

    Args:
        name: of the experiment.
        content: as TOML gives it.
        where: the file, for messages.

    Raises:
        InputError: names everything that is wrong, with what is expected.
    """
    wrong = Complaints()
    top = wrong.taken(dict(content), TOP_KEYS)
    source = top["source"] if top["source"] in SOURCES else WORKSPACE
    layer = top["layer"] if isinstance(top["layer"], str) else PICKS if source == WORKSPACE else name
    if source == TABLE and layer == PICKS:
        wrong.add("", f"layer is {PICKS}, which is that of a workspace's picks; name another, or leave it out")
    gate = None if top["gate"] is None else _gate(top, source, layer, wrong)
    arms = _arms(_with_shares(top["variants"], gate, wrong), layer, source, wrong, top["kind"])
    metrics = _metrics(top["metrics"], source, wrong)
    if gate is not None:
        _check_gated(metrics, wrong)
    looks = _looks(top, wrong)
    _check_rest(top, source, layer, wrong)
    _check_interleaving(top, source, layer, metrics, wrong)
    if layer == PICKS and source == WORKSPACE and not wrong.texts:
        try:
            Config(tuple(arm.live for arm in arms if arm.live), salt=top["salt"] or name)
        except InputError as error:
            wrong.add("variants: ", str(error))
    if len(looks) > 1 and not wrong.texts:
        _refuse_early_looks(top, looks, wrong)
    if wrong.texts:
        raise InputError(f"{where} cannot be registered: {'; '.join(wrong.texts)}")
    floats: dict[str, Any] = {key: float(top[key]) for key in ("smallest_effect", "level", "power", "holdback")}
    kept = {key: top[key] for key in ("hypothesis", "start", "end", "unit", "spending", "window", "users", "salt")}
    return Plan(
        name=name, source=source, layer=layer, looks=looks, variants=arms, metrics=metrics,
        segments=tuple(top["segments"]), traffic=(float(top["traffic"][0]), float(top["traffic"][1])),
        splits=tuple(map(float, top["splits"] or USUAL_SPLITS)) if top["kind"] == INTERLEAVING else (), gate=gate,
        **floats, **kept,
    )  # fmt: skip


def _gate(top: dict[str, Any], source: str, layer: str, wrong: Complaints) -> Gate | None:
    values = wrong.taken(top["gate"], GATE_KEYS, "gate: ")
    if source != WORKSPACE or layer != PICKS:
        wrong.add(
            "gate: ",
            f"the layer is {layer} of a {source}; generations can widen the share of a policy of {PICKS} alone",
        )
    for key, why in (("window", "days since a first exposure"), ("segments", "segments")):
        if top[key]:
            wrong.add(
                "gate: ", f"{key} is {shown(top[key])}, and shares that widen are read without {why}; leave it out"
            )
    if REQUIRED in values.values():
        return None
    shares = [float(share) for share in values["shares"]]
    if (
        len(shares) < 2
        or shares[0] <= 0
        or shares[-1] != 1
        or any(after <= before for before, after in pairwise(shares))
    ):
        wrong.add(
            "gate: ",
            f"shares is {shown(values['shares'])}, expected {GATE_KEYS['shares'].expected}, such as [0.05, 0.2, 0.5, 1]",
        )
        return None
    if top["users"] is not REQUIRED and shares[0] * top["users"] < values["users"]:
        wrong.add(
            "gate: ",
            f"the first share, {shares[0]:g} of {top['users']:,} users, has fewer than the {values['users']:,} that it waits for:"
            " it would never widen; begin with more, or wait for fewer users",
        )
    return Gate(tuple(shares), values["nights"], values["users"])


def _with_shares(tables: Any, gate: Gate | None, wrong: Complaints) -> Any:
    """The variants of a gate with its first shares: it says them, and nothing else does."""
    if gate is None or not isinstance(tables, list):
        return tables
    if len(tables) != 2:
        wrong.add("gate: ", f"there are {len(tables)} variants, expected two: the policy as it is, and the new one")
        return tables
    if any(isinstance(table, dict) and "share" in table for table in tables):
        wrong.add("gate: ", "variants have a share, which the shares of the gate say; leave it out of both")
        return [table if isinstance(table, dict) and "share" in table else {"share": 0.5, **table} for table in tables]
    shares = (1 - gate.shares[0], gate.shares[0])
    return [
        {**table, "share": share} if isinstance(table, dict) else table
        for table, share in zip(tables, shares, strict=True)
    ]


def _check_gated(metrics: Sequence[Metric], wrong: Complaints) -> None:
    for metric in metrics:
        if metric.per == USER:
            wrong.add(
                "gate: ", f'metric {metric.name} is per "user", whose days have several shares; divide by "impression"'
            )
        if metric.covariate is not None:
            wrong.add(
                "gate: ",
                f"metric {metric.name} has a covariate, which shares that widen are read without; leave it out",
            )


def _arms(tables: Any, layer: str, source: str, wrong: Complaints, kind: str) -> tuple[Arm, ...]:
    if not isinstance(tables, list):
        return ()
    is_live, is_interleaving = layer == PICKS and source == WORKSPACE, kind == INTERLEAVING
    keys = ARM_KEYS | LIVE_KEYS if is_live else TABLE_ARM_KEYS
    if is_interleaving:  # every user has both variants, and shares of titles are those of the splits
        keys = {key: rule for key, rule in keys.items() if key != "share"}
    if len(tables) < 2 or (is_interleaving and len(tables) > 2):
        most = "two" if is_interleaving else "two or more"
        wrong.add("", f"variants are {len(tables)}, expected {most}: the first is the control")
    arms = []
    for place, table in enumerate(tables, start=1):
        where = f"variants[{place}]: "
        values = wrong.taken(table, keys, where)
        if not values or REQUIRED in values.values():
            continue
        values = {"share": 0.5} | values
        live = None
        if is_live:
            try:
                live = Variant(**values)
            except InputError as error:
                wrong.add(where, str(error))
        arms.append(Arm(values["name"], float(values["share"]), live))
    _refuse_repeated("variants", [arm.name for arm in arms], wrong)
    total = fsum(arm.share for arm in arms)
    if len(arms) == len(tables) and arms and abs(total - 1) > _ROUNDING and not is_interleaving:
        wrong.add("", f"the shares of the variants add up to {total:.12g}, expected 1")
    return tuple(arms)


def _metrics(tables: Any, source: str, wrong: Complaints) -> tuple[Metric, ...]:
    if not isinstance(tables, list):
        return ()
    metrics = []
    for place, table in enumerate(tables, start=1):
        where = f"metrics[{place}]: "
        values = wrong.taken(table, metric_keys(source), where)
        if not values or REQUIRED in values.values():
            continue
        is_guardrail = values["role"] == GUARDRAIL
        if is_guardrail and values["margin"] is None:
            wrong.add(
                where, "margin is missing, expected by how much the guardrail may get worse, in units of the metric"
            )
        if not is_guardrail and values["margin"] is not None:
            wrong.add(where, f"margin is that of guardrails, and {values['name']} is a {values['role']}; leave it out")
        if values["margin"] is not None:
            values["margin"] = float(values["margin"])
        metrics.append(Metric(**values))
    _refuse_repeated("metrics", [metric.name for metric in metrics], wrong)
    if len(metrics) == len(tables) and not any(metric.role == PRIMARY for metric in metrics):
        wrong.add("", f"no metric has the role {PRIMARY}; expected one or more that decide")
    return tuple(metrics)


def _refuse_repeated(what: str, names: list[str], wrong: Complaints) -> None:
    for name in sorted({name for name in names if names.count(name) > 1}):
        wrong.add("", f"two {what} have the name {name}; give each a name of its own")


def _looks(top: dict[str, Any], wrong: Complaints) -> tuple[date, ...]:
    start, end = top["start"], top["end"]
    if not (is_day(start) and is_day(end)):
        return ()
    if not 0 <= (end - start).days < MOST_DAYS:
        wrong.add("", f"end is {end} and start {start}, expected at most {MOST_DAYS} days from start to end")
        return ()
    looks = top["looks"] if isinstance(top["looks"], list) and top["looks"] else [end]
    if any(after <= before for before, after in pairwise(looks)) or looks[0] < start or looks[-1] != end:
        days = ", ".join(map(str, looks))
        wrong.add("", f"looks are {days}, expected days in order from {start} on, the last of which is the end, {end}")
    if isinstance(top["window"], int) and top["window"] > (end - start).days + 1:
        wrong.add(
            "", f"window is {top['window']} days, expected at most the {(end - start).days + 1} from start to end"
        )
    return tuple(looks)


def _refuse_early_looks(top: dict[str, Any], looks: tuple[date, ...], wrong: Complaints) -> None:
    """Refuse looks at which the spending leaves nothing to see: their intervals would have no end."""
    shares = [information(top["start"], top["end"], day, top["window"]) for day in looks]
    if shares[0] <= 0:
        wrong.add("", f"looks have {looks[0]}, when no user's window of {top['window']} days is over; leave it out")
        return
    bounds = spending_bounds(shares, 1 - top["level"], top["spending"])
    early = [str(day) for day, bound in zip(looks, bounds.tolist(), strict=True) if not isfinite(bound)]
    if early:
        wrong.add(
            "",
            f"looks have {', '.join(early)}, so early that {top['spending']} leaves nothing to be seen; leave them out",
        )


def _check_rest(top: dict[str, Any], source: str, layer: str, wrong: Complaints) -> None:
    if isinstance(top["segments"], list):
        _refuse_repeated("segments", top["segments"], wrong)
        for name in top["segments"]:
            if source == TABLE and name in RESERVED:
                wrong.add("", f"segments has {name}, expected other columns of the table")
            if source == WORKSPACE and name not in SEGMENTS:
                wrong.add("", f"segments has {name}, expected those of users.parquet: {', '.join(SEGMENTS)}")
    if layer == PICKS and source == WORKSPACE:
        if top["traffic"] not in ([0.0, 1.0], REQUIRED):
            wrong.add("", "traffic is not the whole layer; every user has picks: give the rest a variant of its own")
        if top["holdback"] not in (0, REQUIRED):
            wrong.add("", "holdback is not 0; every user has picks: give the holdback a variant of its own")


def _check_interleaving(
    top: dict[str, Any], source: str, layer: str, metrics: Sequence[Metric], wrong: Complaints
) -> None:
    """Refuse what says nothing of two policies on one page; and splits where there is one policy on it."""
    if top["kind"] != INTERLEAVING:
        if top["splits"] not in (None, REQUIRED):
            wrong.add("", f'splits are those of an interleaving; add kind = "{INTERLEAVING}", or leave them out')
        return
    if source == TABLE or layer != PICKS:
        wrong.add(
            "", f'kind is "{INTERLEAVING}", which is of the layer {PICKS} of a workspace: leave source and layer out'
        )
    if top["gate"] is not None:
        wrong.add("", f'kind is "{INTERLEAVING}", whose shares are of titles and stay: leave the gate out')
    for key, unset in (("window", 0), ("segments", [])):
        if top[key] not in (unset, REQUIRED):
            wrong.add("", f"{key} is not read of an interleaving; leave it out")
    _check_paired(metrics, wrong)


def _check_paired(metrics: Sequence[Metric], wrong: Complaints) -> None:
    """Refuse metrics that no user has under each of two variants."""
    for metric in metrics:
        if metric.per == USER:
            wrong.add("", f'{metric.name} is per user, who has both variants; give it per = "{IMPRESSION}"')
        if metric.covariate is not None:
            wrong.add("", f"{metric.name} has a covariate, but every user is compared with themselves; leave it out")
        if any(is_of_the_page(word) for word in (metric.of, metric.per)):
            wrong.add("", f"{metric.name} is of diversity, but one page has titles of both variants; leave it out")
