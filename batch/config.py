"""How a generation is made: its variants, each with what it learns and how it chooses, and what they share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import fsum
from typing import Any, Final, NamedTuple, Self

from bandit.checks import checked_retention
from bandit.deploying import Floors
from bandit.errors import InputError
from bandit.policies import Stickiness, Uniform, parse_policy
from bandit.policies.deciding import FLOOR, NEW_ARM_IMPRESSIONS, NEW_FLOOR
from bandit.policies.stickiness import MARGIN
from bandit.posterior.registry import WITHOUT_CONTEXT, registered
from bandit.rewards import parse_reward
from bandit.snapshot import MASK64, MAX_SPLITS, TOTAL_WEIGHT, RowFormat, format_of_total, is_id

LOGGED = "logged"
"""The reward that was written to the log, as it is."""

MAX_VARIANTS: Final = 255
"""A row names its variant by one byte, and explore data may be one more."""

MAX_REFIT_DAYS: Final = 36_525
"""A century: every day there is."""

_ROUNDING = 1e-9  # by which shares may miss 1


class ModelKey(NamedTuple):
    """What a model is fitted as, and to which reward; variants that agree in both look at one model."""

    posterior: str
    reward: str


@dataclass(frozen=True)
class Variant:
    """One of the policies that are live side by side, and what it looks at.

    ``name`` is an id, which answers and impressions give as their policy; without one it is that of the policy, or
    the policy's whole word where several variants have one policy. ``policy`` is a word of
    ``bandit.policies.parse_policy``; ``posterior`` is what contextual policies learn with. ``reward`` is a word of
    ``bandit.rewards.parse_reward``, kept in its canonical form, or ``logged``. ``share`` is that of the users; None
    is an equal part of what the others leave. ``stickiness`` and ``stickiness_margin`` are those of
    ``bandit.policies.Stickiness``; where nothing is kept, as under uniform, both are at their default.

    Raises:
        InputError: a word is not known, or a number is out of range.
    """

    name: str = ""
    policy: str = "thompson"
    posterior: str = "linear"
    reward: str = "take"
    floor: float = FLOOR
    new_floor: float = NEW_FLOOR
    share: float | None = None
    stickiness: float = 0.0
    stickiness_margin: float = MARGIN

    def __post_init__(self) -> None:
        is_uniform = isinstance(parse_policy(self.policy), Uniform)
        given = Stickiness(self.stickiness, self.stickiness_margin)
        kept = Stickiness() if is_uniform or given.share == 0 else given
        object.__setattr__(self, "stickiness", float(kept.share))
        object.__setattr__(self, "stickiness_margin", float(kept.margin))
        registered(self.posterior)
        for name in ("floor", "new_floor"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise InputError(f"{name} is {getattr(self, name)}, expected a share between 0 and 0.5")
        if self.share is not None and not 0 < self.share <= 1:
            raise InputError(f"the share of variant {self.label} is {self.share}, expected above 0 and at most 1")
        if self.name and not is_id(self.name) and self.name != self.policy:
            raise InputError(
                f"a variant's name is {self.name!r}, expected up to 64 letters, digits, dots, dashes, underscores and"
                " tildes"
            )
        if self.name == Uniform.name and not is_uniform:
            raise InputError(f"the name {self.name} is that of explore data; give the variant of {self.policy} another")
        if self.reward != LOGGED:  # one text for one reward: what is kept of a day is found again by it
            object.__setattr__(self, "reward", parse_reward(self.reward).text)

    @property
    def label(self) -> str:
        """What people read: the word of the policy, after the name where that is another.

        >>> Variant("softmax", "softmax:temperature=0.1").label, Variant("bold", "softmax:temperature=0.1").label
        ('softmax:temperature=0.1', 'bold (softmax:temperature=0.1)')
        """
        return (
            self.policy if self.name in {"", self.policy, _policy_name(self.policy)} else f"{self.name} ({self.policy})"
        )

    @property
    def model(self) -> ModelKey:
        """What the policy looks at."""
        return ModelKey(self.posterior if parse_policy(self.policy).contextual else WITHOUT_CONTEXT, self.reward)


@dataclass(frozen=True)
class Config:
    """How a generation is made: its variants, and what they share.

    The first variant gives explore data and the fallback their floors, and popularity its reward. ``retention`` is
    the share of a day's evidence that is left a day later. ``explore_share`` is the share of users whose picks are
    drawn under the uniform policy. ``salt`` draws anew which users get which variant, who else are the same in every
    generation of a seed. ``refit_days`` is how many of the newest days a posterior that learns from rows is refitted to.
    ``total`` is what the weights of a decision add up to, which goes with the format of rows; training sets it by the catalogue.
    ``splits`` interleave two variants: users are dealt to as many groups, and of each user's titles the second variant has
    the share that their group says; without any, users are dealt to variants.

    Raises:
        InputError: a number is out of range, or variants do not fit together.
    """

    variants: tuple[Variant, ...] = (Variant(),)
    seed: int = 0
    new_arm_impressions: int = NEW_ARM_IMPRESSIONS
    retention: float = 1.0
    explore_share: float = 0.0
    salt: str = ""
    refit_days: int = 90
    total: int = TOTAL_WEIGHT
    splits: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MASK64 or self.new_arm_impressions < 0:
            raise InputError(
                f"seed {self.seed} and new_arm_impressions {self.new_arm_impressions} must be at least 0, the seed below 2^64"
            )
        checked_retention(self.retention)
        format_of_total(self.total)
        if not 1 <= self.refit_days <= MAX_REFIT_DAYS:
            raise InputError(f"refit_days is {self.refit_days}, expected 1 to {MAX_REFIT_DAYS} days")
        if not 0 <= self.explore_share < 1:
            raise InputError(
                f"explore_share is {self.explore_share}, expected a share from 0 to below 1;"
                " `--policy uniform` draws for everybody at random"
            )
        if self.salt and not is_id(self.salt):
            raise InputError(
                f"the salt is {self.salt!r}, expected up to 64 letters, digits, dots, dashes, underscores and tildes"
            )
        if not 1 <= len(self.variants) <= MAX_VARIANTS:
            raise InputError(f"there are {len(self.variants)} variants, expected 1 to {MAX_VARIANTS}")
        if self.splits and not (
            len(self.variants) == 2 and len(self.splits) <= MAX_SPLITS and all(0 < share < 1 for share in self.splits)
        ):
            raise InputError(
                f"splits are {', '.join(f'{share:g}' for share in self.splits)} of titles between {len(self.variants)} variants,"
                f" expected up to {MAX_SPLITS} shares above 0 and below 1, between two variants"
            )
        if self.splits and not self.salt:
            raise InputError("splits have no salt, which titles are dealt by; name one")
        object.__setattr__(self, "variants", _with_shares(_with_names(self.variants)))

    @classmethod
    def of(cls, *policies: str, share: float | None = None, **settings: Any) -> Self:
        """Variants that differ in their policies alone.

        Args:
            policies: their words; none is the usual one.
            share: of every one but the first, which has the rest; None shares equally.
            settings: of ``Config`` and of all ``Variant``s.
        """
        alike = {item.name: settings.pop(item.name) for item in fields(Variant) if item.name in settings}
        words = policies or (Variant.policy,)
        variants = (Variant(policy=word, share=share if place else None, **alike) for place, word in enumerate(words))
        return cls(tuple(variants), **settings)

    @property
    def row_format(self) -> RowFormat:
        """How the rows of the generation are packed."""
        return format_of_total(self.total)

    @property
    def names(self) -> tuple[str, ...]:
        """What a row's variant indexes: the names of the variants, then that of explore data.

        A live variant ``uniform`` and explore data are one place.
        """
        live = [variant.name for variant in self.variants]
        return tuple(dict.fromkeys([*live, Uniform.name] if self.explore_share > 0 else live))

    @property
    def floors(self) -> tuple[Floors, ...]:
        """The floors of each of ``names``."""
        own = [Floors(variant.floor, variant.new_floor, self.new_arm_impressions) for variant in self.variants]
        return tuple([*own, own[0]][: len(self.names)])

    @property
    def stickinesses(self) -> tuple[Stickiness, ...]:
        """The stickiness of each of ``names``; explore data have none."""
        own = [Stickiness(variant.stickiness, variant.stickiness_margin) for variant in self.variants]
        return tuple([*own, Stickiness()][: len(self.names)])

    @property
    def is_sticky(self) -> bool:
        """Whether some variant keeps what was shown before."""
        return any(variant.stickiness > 0 for variant in self.variants)

    @property
    def rewards(self) -> tuple[str, ...]:
        """What is learned from, in the order of the variants; popularity from the first."""
        return tuple(dict.fromkeys(variant.reward for variant in self.variants))

    @property
    def models(self) -> tuple[ModelKey, ...]:
        """Every model that is fitted: popularity, which the fallback needs, and what the variants look at."""
        return tuple(
            dict.fromkeys([ModelKey(WITHOUT_CONTEXT, self.rewards[0]), *(variant.model for variant in self.variants)])
        )


@dataclass(frozen=True)
class TwoPolicies:
    """The settings of a manifest without variants: one policy, or another beside it for a share of the users."""

    policy: str = "thompson"
    posterior: str = "linear"
    seed: int = 0
    floor: float = FLOOR
    new_floor: float = NEW_FLOOR
    new_arm_impressions: int = NEW_ARM_IMPRESSIONS
    retention: float = 1.0
    reward: str = "take"
    explore_share: float = 0.0
    other_policy: str = ""
    other_share: float = 0.5
    refit_days: int = Config.refit_days
    total: int = Config.total

    @classmethod
    def of(cls, config: Config) -> Self | None:
        """What says the same of a configuration, so that its digests stay what they were; None where nothing does."""
        first, last = config.variants[0], config.variants[-1]
        alike = {(variant.posterior, variant.reward, variant.floor, variant.new_floor) for variant in config.variants}
        is_named = _default_names(config.variants) != [variant.name for variant in config.variants]
        if len(config.variants) > 2 or len(alike) > 1 or is_named or config.salt or config.splits or config.is_sticky:
            return None
        known: dict[str, Any] = asdict(config) | asdict(first)
        kept = {item.name: known[item.name] for item in fields(cls) if item.name in known}
        return cls(**kept) if first is last else cls(**kept, other_policy=last.policy, other_share=last.share or 0.0)

    def config(self) -> Config:
        """The same as variants."""
        kept = asdict(self)
        policies = filter(None, (kept.pop("policy"), kept.pop("other_policy")))
        return Config.of(*policies, share=kept.pop("other_share"), **kept)


def _policy_name(word: str) -> str:
    return word.partition(":")[0]


def _default_names(variants: Sequence[Variant]) -> list[str]:
    """The name of each variant's policy, and its word where several have that name."""
    short = [_policy_name(variant.policy) for variant in variants]
    return [name if short.count(name) == 1 else variant.policy for name, variant in zip(short, variants, strict=True)]


def _with_names(variants: Sequence[Variant]) -> list[Variant]:
    unnamed = [variant for variant in variants if not variant.name]
    kinds = [
        (parse_policy(own.policy), own.model, own.floor, own.new_floor, own.stickiness, own.stickiness_margin)
        for own in unnamed
    ]
    if any(kinds.count(kind) > 1 for kind in kinds):
        words = ", ".join(variant.policy for variant in variants)
        raise InputError(
            f"two of the variants {words} are the same; name another policy or setting, or name both variants"
        )
    default = _default_names(variants)
    named = [replace(variant, name=variant.name or name) for name, variant in zip(default, variants, strict=True)]
    names = [variant.name for variant in named]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two variants have the name {twice[0]}; give each a name of its own")
    return named


def _with_shares(variants: list[Variant]) -> tuple[Variant, ...]:
    given = [variant.share for variant in variants if variant.share is not None]
    left = 1 - fsum(given)
    if len(given) < len(variants):
        if left <= 0:
            raise InputError(f"the shares of the variants add up to {fsum(given):g} and leave nothing for the others")
        equal = left / (len(variants) - len(given))
        return tuple(variant if variant.share else replace(variant, share=equal) for variant in variants)
    if abs(left) > _ROUNDING:
        raise InputError(f"the shares of the variants add up to {fsum(given):.12g}, expected 1")
    return tuple(variants)
