"""The keys that a plan may have, and what stands under each."""

from typing import Any, Final

from bandit.errors import InputError
from bandit.rewards import DIVERSITY, parse_reward
from bandit.snapshot import MAX_SPLITS, is_id
from batch.config import LOGGED, MAX_VARIANTS, Variant
from batch.experiments.plans.keys import Key, is_day, is_list, is_number, is_one_of, is_text, is_whole
from batch.experiments.plans.plan import (
    AB,
    DIRECTIONS,
    IMPRESSION,
    KINDS,
    ROLES,
    SOURCES,
    TABLE,
    UP,
    USER,
    WORKSPACE,
    Gate,
    Plan,
)

MOST_DAYS: Final = 366
MOST_LOOKS: Final = 60
MOST_METRICS: Final = 20
SEGMENTS: Final = ("country", "device", "campaign")
RESERVED: Final = (USER, "variant", "day")
"""Columns of a table that are no metrics."""
SPENDINGS: Final = ("obrien_fleming", "pocock", "power:EXPONENT")


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
    return is_text(value) and value not in RESERVED


def _is_line(value: Any) -> bool:
    return is_text(value) and len(value) <= 64 and value.isprintable()


def _is_slice(value: Any) -> bool:
    inside = is_number(0, 1, ends=True)
    return isinstance(value, list) and len(value) == 2 and all(map(inside, value)) and value[0] < value[1]


def _is_splits(value: Any) -> bool:
    return bool(value) and is_list(is_number(0, 1), MAX_SPLITS)(value)


def _is_reward(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return value == LOGGED or bool(parse_reward(value))
    except InputError:
        return False


def is_of_the_page(word: str) -> bool:
    """Whether a word of a metric is a reward that looks at the rest of the user's page."""
    return _is_reward(word) and word != LOGGED and DIVERSITY in parse_reward(word).needs


_DAY: Final = "a day such as 2026-01-15, without quotes"
_ID: Final = "up to 64 letters, digits, dots, dashes, underscores and tildes"
_UNIT_EXPECTED: Final = (
    '"user": users are what is assigned; a metric per impression is a ratio of sums per user (per = "impression")'
)
TOP_KEYS: Final = {
    "hypothesis": Key("a sentence", is_text),
    "start": Key(_DAY, is_day),
    "end": Key(_DAY, is_day),
    "looks": Key(f"a list of at most {MOST_LOOKS} days", is_list(is_day, MOST_LOOKS), None),
    "smallest_effect": Key("a number above 0, in units of the primary metric", is_number(0, 1e12)),
    "variants": Key("two or more [[variants]]", is_list(lambda _: True, MAX_VARIANTS)),
    "metrics": Key(f"one to {MOST_METRICS} [[metrics]]", is_list(lambda _: True, MOST_METRICS)),
    "source": Key(" or ".join(map(repr, SOURCES)), is_one_of(*SOURCES), WORKSPACE),
    "layer": Key(_ID, _is_name, None),
    "unit": Key(_UNIT_EXPECTED, is_one_of(USER), USER),
    "level": Key("the level of intervals, above 0.5 and below 1, such as 0.95", is_number(0.5, 1), Plan.level),
    "power": Key("above 0.5 and below 1, such as 0.8", is_number(0.5, 1), Plan.power),
    "spending": Key(f"one of {', '.join(SPENDINGS)}", _is_spending, Plan.spending),
    "window": Key(f"0 to {MOST_DAYS} days since the first exposure", is_whole(0, MOST_DAYS), Plan.window),
    "users": Key("how many users are expected, from 60", is_whole(60, 10**12), Plan.users),
    "segments": Key("a list of up to 5 columns", is_list(is_text, 5), []),
    "traffic": Key("a slice of the layer such as [0.0, 0.5]", _is_slice, [0.0, 1.0]),
    "holdback": Key("a share from 0 to below 0.5", is_number(0, 0.5, ends=True), Plan.holdback),
    "salt": Key(_ID, _is_name, Plan.salt),
    "kind": Key(f"one of {', '.join(KINDS)}", is_one_of(*KINDS), AB),
    "splits": Key(f"a list of up to {MAX_SPLITS} shares of titles, above 0 and below 1", _is_splits, None),
    "gate": Key("a table [gate] with shares", lambda value: isinstance(value, dict), None),
}  # fmt: skip
GATE_KEYS: Final = {
    "shares": Key("2 to 20 rising shares of users, the last of which is 1", is_list(is_number(0, 1, ends=True), 20)),
    "nights": Key(f"1 to {MOST_DAYS} days at each share at least", is_whole(1, MOST_DAYS), Gate.nights),
    "users": Key("30 or more users of the treatment at each share at least", is_whole(30, 10**12), Gate.users),
}
ARM_KEYS: Final = {
    "name": Key(_ID, _is_name),
    "share": Key("a share of users above 0 and below 1", is_number(0, 1)),
}
TABLE_ARM_KEYS: Final = ARM_KEYS | {"name": Key("a name of one line, of up to 64 characters", _is_line)}
LIVE_KEYS: Final = {
    "policy": Key("a word as for artwork run", is_text, Variant.policy),
    "posterior": Key("a word as for artwork run", is_text, Variant.posterior),
    "reward": Key("a word as for artwork run", is_text, Variant.reward),
    "floor": Key("a share from 0 to 0.5", is_number(0, 0.5, ends=True), Variant.floor),
    "new_floor": Key("a share from 0 to 0.5", is_number(0, 0.5, ends=True), Variant.new_floor),
    "stickiness": Key("a share from 0 to below 1", is_number(0, 1, ends=True), Variant.stickiness),
    "stickiness_margin": Key("a difference from 0 to 1", is_number(0, 1, ends=True), Variant.stickiness_margin),
}
_REWARDS: Final = "take, click, watched_fraction, freshness, diversity, weighted_sum:... or logged"


def metric_keys(source: str) -> dict[str, Key]:
    """Those of a metric of the workspace or of a table."""
    if source == TABLE:
        column = f"a column of the table, none of {', '.join(RESERVED)}"
        of = Key(column, _is_column)
        per = Key(f'"user" or {column}', lambda value: value == USER or _is_column(value), USER)
        covariate = Key(column, _is_column, None)
    else:
        of = Key(f'"impression" or a reward: {_REWARDS}', lambda value: value == IMPRESSION or _is_reward(value))
        words = (IMPRESSION, USER)
        per = Key(
            f'"impression", "user" or a reward: {_REWARDS}', lambda word: word in words or _is_reward(word), IMPRESSION
        )
        covariate = Key(f"1 to {MOST_DAYS} days before the start", is_whole(1, MOST_DAYS), None)
    return {
        "name": Key("a name of one line, of up to 64 characters", _is_line),
        "role": Key(f"one of {', '.join(ROLES)}", is_one_of(*ROLES)),
        "of": of,
        "per": per,
        "direction": Key(f"which way is better: {' or '.join(DIRECTIONS)}", is_one_of(*DIRECTIONS), UP),
        "margin": Key("a number above 0: by how much a guardrail may get worse", is_number(0, 1e12), None),
        "covariate": covariate,
    }
