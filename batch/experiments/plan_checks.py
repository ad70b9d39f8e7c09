"""The door of plans: every key that is wrong, missing or not known is told by name, all of them at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from math import fsum, isfinite
from typing import Any, Final

from bandit.errors import InputError
from bandit.experiments import spending_bounds
from bandit.rewards import parse_reward
from bandit.snapshot import MAX_SPLITS, is_id
from batch.config import LOGGED, MAX_VARIANTS, Config, Variant
from batch.experiments.plan import (
    AB,
    DIRECTIONS,
    GUARDRAIL,
    IMPRESSION,
    INTERLEAVING,
    KINDS,
    PICKS,
    PRIMARY,
    ROLES,
    SOURCES,
    TABLE,
    UP,
    USER,
    USUAL_SPLITS,
    WORKSPACE,
    Arm,
    Metric,
    Plan,
    information,
)

MOST_DAYS: Final = 366
MOST_LOOKS: Final = 60
MOST_METRICS: Final = 20
SEGMENTS: Final = ("country", "device", "campaign")
RESERVED: Final = (USER, "variant", "day")
"""Columns of a table that are no metrics."""
SPENDINGS: Final = ("obrien_fleming", "pocock", "power:EXPONENT")
_ROUNDING: Final = 1e-9
_REQUIRED: Final = object()

Test = Callable[[Any], bool]


@dataclass(frozen=True)
class _Key:
    """What a key of a file takes."""

    expected: str
    is_right: Test
    default: Any = _REQUIRED


@dataclass
class _Complaints:
    """What is wrong with a file so far."""

    texts: list[str] = field(default_factory=list)

    def add(self, where: str, text: str) -> None:
        """One more, of the table ``where``; the top of a file has no name."""
        self.texts.append(f"{where}{text}")

    def taken(self, table: Any, keys: Mapping[str, _Key], where: str = "") -> dict[str, Any]:
        """The values of a table by key, with defaults for those that are absent or wrong."""
        if not isinstance(table, dict):
            self.add(where, f"is {_shown(table)}, expected a table with the keys {', '.join(keys)}")
            return {}
        for key in sorted(table.keys() - keys.keys()):
            self.add(where, f"{_shown(key)} is no key; expected {', '.join(keys)}")
        values = {}
        for key, rule in keys.items():
            if key not in table:
                if rule.default is _REQUIRED:
                    self.add(where, f"{key} is missing, expected {rule.expected}")
                values[key] = rule.default
            elif rule.is_right(table[key]):
                values[key] = table[key]
            else:
                self.add(where, f"{key} is {_shown(table[key])}, expected {rule.expected}")
                values[key] = _REQUIRED
        return values


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= 2000


def _is_number(low: float, high: float, *, ends: bool = False) -> Test:
    def test(value: Any) -> bool:
        is_real = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        return is_real and (low < value < high or (ends and low <= value <= high))

    return test


def _is_whole(low: int, high: int) -> Test:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_day(value: Any) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_one_of(*words: str) -> Test:
    return lambda value: isinstance(value, str) and value in words


def _is_list(test: Test, most: int) -> Test:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(test, value))


def _is_spending(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    kind, _, exponent = value.partition(":")
    if kind != "power":
        return value in SPENDINGS[:2]
    try:
        return 0 < float(exponent) <= 20
    except ValueError:
        return False


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(is_id(value))


def _is_column(value: Any) -> bool:
    return _is_text(value) and value not in RESERVED


def _is_line(value: Any) -> bool:
    return _is_text(value) and len(value) <= 64 and value.isprintable()


def _is_slice(value: Any) -> bool:
    inside = _is_number(0, 1, ends=True)
    return isinstance(value, list) and len(value) == 2 and all(map(inside, value)) and value[0] < value[1]


def _is_splits(value: Any) -> bool:
    return bool(value) and _is_list(_is_number(0, 1), MAX_SPLITS)(value)


def _is_reward(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return value == LOGGED or bool(parse_reward(value))
    except InputError:
        return False


_DAY: Final = "a day such as 2026-01-15, without quotes"
_ID: Final = "up to 64 letters, digits, dots, dashes, underscores and tildes"
_UNIT_EXPECTED: Final = (
    '"user": users are what is assigned; a metric per impression is a ratio of sums per user (per = "impression")'
)
_TOP: Final = {
    "hypothesis": _Key("a sentence", _is_text),
    "start": _Key(_DAY, _is_day),
    "end": _Key(_DAY, _is_day),
    "looks": _Key(f"a list of at most {MOST_LOOKS} days", _is_list(_is_day, MOST_LOOKS), None),
    "smallest_effect": _Key("a number above 0, in units of the primary metric", _is_number(0, 1e12)),
    "variants": _Key("two or more [[variants]]", _is_list(lambda _: True, MAX_VARIANTS)),
    "metrics": _Key(f"one to {MOST_METRICS} [[metrics]]", _is_list(lambda _: True, MOST_METRICS)),
    "source": _Key(" or ".join(map(repr, SOURCES)), _is_one_of(*SOURCES), WORKSPACE),
    "layer": _Key(_ID, _is_name, None),
    "unit": _Key(_UNIT_EXPECTED, _is_one_of(USER), USER),
    "level": _Key("the level of intervals, above 0.5 and below 1, such as 0.95", _is_number(0.5, 1), Plan.level),
    "power": _Key("above 0.5 and below 1, such as 0.8", _is_number(0.5, 1), Plan.power),
    "spending": _Key(f"one of {', '.join(SPENDINGS)}", _is_spending, Plan.spending),
    "window": _Key(f"0 to {MOST_DAYS} days since the first exposure", _is_whole(0, MOST_DAYS), Plan.window),
    "users": _Key("how many users are expected, from 60", _is_whole(60, 10**12), Plan.users),
    "segments": _Key("a list of up to 5 columns", _is_list(_is_text, 5), []),
    "traffic": _Key("a slice of the layer such as [0.0, 0.5]", _is_slice, [0.0, 1.0]),
    "holdback": _Key("a share from 0 to below 0.5", _is_number(0, 0.5, ends=True), Plan.holdback),
    "salt": _Key(_ID, _is_name, Plan.salt),
    "kind": _Key(f"one of {', '.join(KINDS)}", _is_one_of(*KINDS), AB),
    "splits": _Key(f"a list of up to {MAX_SPLITS} shares of titles, above 0 and below 1", _is_splits, None),
}  # fmt: skip
_ARM: Final = {
    "name": _Key(_ID, _is_name),
    "share": _Key("a share of users above 0 and below 1", _is_number(0, 1)),
}
_TABLE_ARM: Final = _ARM | {"name": _Key("a name of one line, of up to 64 characters", _is_line)}
_LIVE: Final = {
    "policy": _Key("a word as for artwork run", _is_text, Variant.policy),
    "posterior": _Key("a word as for artwork run", _is_text, Variant.posterior),
    "reward": _Key("a word as for artwork run", _is_text, Variant.reward),
    "floor": _Key("a share from 0 to 0.5", _is_number(0, 0.5, ends=True), Variant.floor),
    "new_floor": _Key("a share from 0 to 0.5", _is_number(0, 0.5, ends=True), Variant.new_floor),
    "stickiness": _Key("a share from 0 to below 1", _is_number(0, 1, ends=True), Variant.stickiness),
    "stickiness_margin": _Key("a difference from 0 to 1", _is_number(0, 1, ends=True), Variant.stickiness_margin),
}
_REWARDS: Final = "take, click, watched_fraction, weighted_sum:... or logged"


def _metric_keys(source: str) -> dict[str, _Key]:
    if source == TABLE:
        column = f"a column of the table, none of {', '.join(RESERVED)}"
        of = _Key(column, _is_column)
        per = _Key(f'"user" or {column}', lambda value: value == USER or _is_column(value), USER)
        covariate = _Key(column, _is_column, None)
    else:
        of = _Key(f'"impression" or a reward: {_REWARDS}', lambda value: value == IMPRESSION or _is_reward(value))
        words = (IMPRESSION, USER)
        per = _Key(
            f'"impression", "user" or a reward: {_REWARDS}', lambda word: word in words or _is_reward(word), IMPRESSION
        )
        covariate = _Key(f"1 to {MOST_DAYS} days before the start", _is_whole(1, MOST_DAYS), None)
    return {
        "name": _Key("a name of one line, of up to 64 characters", _is_line),
        "role": _Key(f"one of {', '.join(ROLES)}", _is_one_of(*ROLES)),
        "of": of,
        "per": per,
        "direction": _Key(f"which way is better: {' or '.join(DIRECTIONS)}", _is_one_of(*DIRECTIONS), UP),
        "margin": _Key("a number above 0: by how much a guardrail may get worse", _is_number(0, 1e12), None),
        "covariate": covariate,
    }


def checked_plan(name: str, content: Mapping[str, Any], where: str) -> Plan:
    """The plan that a file holds.

    Args:
        name: of the experiment.
        content: as TOML gives it.
        where: the file, for messages.

    Raises:
        InputError: names everything that is wrong, with what is expected.
    """
    wrong = _Complaints()
    top = wrong.taken(dict(content), _TOP)
    source = top["source"] if top["source"] in SOURCES else WORKSPACE
    layer = top["layer"] if isinstance(top["layer"], str) else PICKS if source == WORKSPACE else name
    if source == TABLE and layer == PICKS:
        wrong.add("", f"layer is {PICKS}, which is that of a workspace's picks; name another, or leave it out")
    arms = _arms(top["variants"], layer, source, wrong, top["kind"])
    metrics = _metrics(top["metrics"], source, wrong)
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
        splits=tuple(map(float, top["splits"] or USUAL_SPLITS)) if top["kind"] == INTERLEAVING else (), **floats, **kept,
    )  # fmt: skip


def _arms(tables: Any, layer: str, source: str, wrong: _Complaints, kind: str) -> tuple[Arm, ...]:
    if not isinstance(tables, list):
        return ()
    is_live, is_interleaving = layer == PICKS and source == WORKSPACE, kind == INTERLEAVING
    keys = _ARM | _LIVE if is_live else _TABLE_ARM
    if is_interleaving:  # every user has both variants, and shares of titles are those of the splits
        keys = {key: rule for key, rule in keys.items() if key != "share"}
    if len(tables) < 2 or (is_interleaving and len(tables) > 2):
        most = "two" if is_interleaving else "two or more"
        wrong.add("", f"variants are {len(tables)}, expected {most}: the first is the control")
    arms = []
    for place, table in enumerate(tables, start=1):
        where = f"variants[{place}]: "
        values = wrong.taken(table, keys, where)
        if not values or _REQUIRED in values.values():
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


def _metrics(tables: Any, source: str, wrong: _Complaints) -> tuple[Metric, ...]:
    if not isinstance(tables, list):
        return ()
    metrics = []
    for place, table in enumerate(tables, start=1):
        where = f"metrics[{place}]: "
        values = wrong.taken(table, _metric_keys(source), where)
        if not values or _REQUIRED in values.values():
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


def _refuse_repeated(what: str, names: list[str], wrong: _Complaints) -> None:
    for name in sorted({name for name in names if names.count(name) > 1}):
        wrong.add("", f"two {what} have the name {name}; give each a name of its own")


def _looks(top: dict[str, Any], wrong: _Complaints) -> tuple[date, ...]:
    start, end = top["start"], top["end"]
    if not (_is_day(start) and _is_day(end)):
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


def _refuse_early_looks(top: dict[str, Any], looks: tuple[date, ...], wrong: _Complaints) -> None:
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


def _check_rest(top: dict[str, Any], source: str, layer: str, wrong: _Complaints) -> None:
    if isinstance(top["segments"], list):
        _refuse_repeated("segments", top["segments"], wrong)
        for name in top["segments"]:
            if source == TABLE and name in RESERVED:
                wrong.add("", f"segments has {name}, expected other columns of the table")
            if source == WORKSPACE and name not in SEGMENTS:
                wrong.add("", f"segments has {name}, expected those of users.parquet: {', '.join(SEGMENTS)}")
    if layer == PICKS and source == WORKSPACE:
        if top["traffic"] not in ([0.0, 1.0], _REQUIRED):
            wrong.add("", "traffic is not the whole layer; every user has picks: give the rest a variant of its own")
        if top["holdback"] not in (0, _REQUIRED):
            wrong.add("", "holdback is not 0; every user has picks: give the holdback a variant of its own")


def _check_interleaving(
    top: dict[str, Any], source: str, layer: str, metrics: Sequence[Metric], wrong: _Complaints
) -> None:
    """Refuse what says nothing of two policies on one page; and splits where there is one policy on it."""
    if top["kind"] != INTERLEAVING:
        if top["splits"] not in (None, _REQUIRED):
            wrong.add("", f'splits are those of an interleaving; add kind = "{INTERLEAVING}", or leave them out')
        return
    if source == TABLE or layer != PICKS:
        wrong.add(
            "", f'kind is "{INTERLEAVING}", which is of the layer {PICKS} of a workspace: leave source and layer out'
        )
    for key, unset in (("window", 0), ("segments", [])):
        if top[key] not in (unset, _REQUIRED):
            wrong.add("", f"{key} is not read of an interleaving; leave it out")
    for metric in metrics:
        if metric.per == USER:
            wrong.add("", f'{metric.name} is per user, who has both variants; give it per = "{IMPRESSION}"')
        if metric.covariate is not None:
            wrong.add("", f"{metric.name} has a covariate, but every user is compared with themselves; leave it out")
