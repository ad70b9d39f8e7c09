"""What an experiment is registered as: its variants, metrics, looks, and what would count as a result."""

import json
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import blake2b
from typing import Any, Final

from batch.config import Config, Variant

PICKS: Final = "picks"
"""The layer whose variants are those of the generations."""

WORKSPACE: Final = "workspace"
TABLE: Final = "table"
SOURCES: Final = (WORKSPACE, TABLE)

PRIMARY: Final = "primary"
GUARDRAIL: Final = "guardrail"
PROXY: Final = "proxy"
ROLES: Final = (PRIMARY, GUARDRAIL, PROXY)

UP: Final = "up"
DOWN: Final = "down"
DIRECTIONS: Final = (UP, DOWN)

AB: Final = "ab"
INTERLEAVING: Final = "interleaving"
KINDS: Final = (AB, INTERLEAVING)
USUAL_SPLITS: Final = (0.5, 0.1)
"""Shares of a user's titles that the second variant has; two of them tell whether one policy's titles change the other's."""

IMPRESSION: Final = "impression"
USER: Final = "user"


@dataclass(frozen=True)
class Metric:
    """A number per user and what it is divided by: the effect is on the ratio of both sums.

    On a workspace ``of`` is a word of ``bandit.rewards.parse_reward``, ``logged`` or ``impression``, and ``per`` is
    ``impression``, ``user`` or a reward. On a table both are columns, and ``per`` may be ``user``. ``direction`` says which
    way is better. ``margin`` is by how much a guardrail may get worse, in units of the metric. ``covariate`` is the number of
    days before the start that CUPED takes the same metric from, or on a table a column.
    """

    name: str
    of: str
    role: str = PRIMARY
    per: str = USER
    direction: str = UP
    margin: float | None = None
    covariate: int | str | None = None

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.direction == UP else -1


@dataclass(frozen=True)
class Arm:
    """A variant with its share of users; ``live`` is what it stands for in the layer of picks, None elsewhere."""

    name: str
    share: float
    live: Variant | None = None


@dataclass(frozen=True)
class Gate:
    """How ``artwork run --gate`` serves the treatment: its shares of the users, rising, the last of which is 1.

    A share is widened after ``nights`` days at least on which it was served, and ``users`` whom the treatment had on them.
    """

    shares: tuple[float, ...]
    nights: int = 1
    users: int = 100


@dataclass(frozen=True)
class Plan:
    """An experiment as registered.

    The first variant is the control. ``looks`` are days after whose end it is read, the last is ``end``. ``level`` is that of
    intervals. ``window`` is the days since a user's first exposure that count; 0 is all. ``users`` is how many are expected by
    the end, which sequences are tuned to. ``traffic`` is the slice of its layer. ``splits`` make it an interleaving: users are
    dealt to as many groups, and of each user's titles the second variant has the share that their group says. With a ``gate``
    the shares of the variants are its first ones.
    """

    name: str
    hypothesis: str
    start: date
    end: date
    looks: tuple[date, ...]
    variants: tuple[Arm, ...]
    metrics: tuple[Metric, ...]
    smallest_effect: float
    source: str = WORKSPACE
    layer: str = PICKS
    unit: str = USER
    level: float = 0.95
    power: float = 0.8
    spending: str = "obrien_fleming"
    window: int = 0
    users: int = 10_000
    segments: tuple[str, ...] = ()
    traffic: tuple[float, float] = (0.0, 1.0)
    holdback: float = 0.0
    salt: str = ""
    splits: tuple[float, ...] = ()
    gate: Gate | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the variants, the control first."""
        return tuple(arm.name for arm in self.variants)

    @property
    def shares(self) -> dict[str, float]:
        """Of the users, by variant."""
        return {arm.name: arm.share for arm in self.variants}

    @property
    def primaries(self) -> tuple[Metric, ...]:
        """The metrics that the experiment is for."""
        return tuple(metric for metric in self.metrics if metric.role == PRIMARY)

    @property
    def key(self) -> str:
        """What assignment is keyed by: another one draws anew who gets which variant."""
        return self.salt or self.name

    @property
    def config(self) -> Config:
        """The variants as a generation has them; of the layer of picks alone."""
        return Config(
            tuple(arm.live for arm in self.variants if arm.live is not None), salt=self.key, splits=self.splits
        )

    @property
    def digest(self) -> str:
        """BLAKE2b-128 of what is registered; comments, order and layout of the file do not count."""
        return digest_of(plain(self))

    def limit(self, metric: Metric) -> float:
        """What matters of a metric, in its unit: its margin, or the smallest effect."""
        return metric.margin or self.smallest_effect

    def information(self, day: date) -> float:
        """The share of the planned days that has passed at the end of a day; with a window, of first days that count by then."""
        return information(self.start, self.end, day, self.window)


def information(start: date, end: date, day: date, window: int = 0) -> float:
    """The share of the days from start to end whose new users count by a day: where a user's window is over, or at once.

    >>> information(date(2026, 1, 1), date(2026, 1, 10), date(2026, 1, 8), window=7)
    0.5
    """
    waiting = max(window, 1) - 1
    return ((day - start).days + 1 - waiting) / ((end - start).days + 1 - waiting)


def plain(plan: Plan) -> dict[str, Any]:
    """A plan as JSON has it; without what is not used and plans of before did not name, so that digests stay what they were."""
    content: dict[str, Any] = json.loads(json.dumps(asdict(plan), default=str))
    for key in ("splits", "gate"):
        if not content[key]:
            del content[key]
    for live in (arm["live"] for arm in content["variants"] if arm["live"]):
        if not live["stickiness"]:
            del live["stickiness"], live["stickiness_margin"]
    return content


def digest_of(value: Any) -> str:
    """BLAKE2b-128 of a value as JSON with sorted keys, as hexadecimal digits."""
    return blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What two plain plans differ in, key by key, as it was and as it is."""
    return [
        f"{key}: {json.dumps(before.get(key))} -> {json.dumps(after.get(key))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
