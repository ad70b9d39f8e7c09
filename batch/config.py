"""How a generation is made: what is learned, how it is chosen, and what is learned from."""

from dataclasses import dataclass

from bandit.checks import checked_retention
from bandit.errors import InputError
from bandit.policies import Uniform, parse_policy
from bandit.policies.deciding import FLOOR, NEW_ARM_IMPRESSIONS, NEW_FLOOR
from bandit.posterior.registry import registered
from bandit.rewards import parse_reward
from bandit.snapshot import MASK64

LOGGED = "logged"
"""The reward that was written to the log, as it is."""


@dataclass(frozen=True)
class Config:
    """How a generation is made.

    ``policy`` is a word of ``bandit.policies.parse_policy``. ``posterior`` is what contextual policies learn with.
    ``retention`` is the share of a day's evidence that is left a day later. ``reward`` is a word of
    ``bandit.rewards.parse_reward``, kept in its canonical form, or ``logged``. ``explore_share`` is the share of users whose
    picks are drawn under the uniform policy. ``other_share`` of all others, the same users in every generation of a seed, get
    theirs under ``other_policy``, if there is one, from the same posterior.

    Raises:
        InputError: a word is not known, or a number is out of range.
    """

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

    def __post_init__(self) -> None:
        parse_policy(self.policy)
        registered(self.posterior)
        for name in ("floor", "new_floor"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise InputError(f"{name} is {getattr(self, name)}, expected a share between 0 and 0.5")
        if not 0 <= self.seed <= MASK64 or self.new_arm_impressions < 0:
            raise InputError(
                f"seed {self.seed} and new_arm_impressions {self.new_arm_impressions} must be at least 0, the seed below 2^64"
            )
        checked_retention(self.retention)
        if not 0 <= self.explore_share < 1:
            raise InputError(
                f"explore_share is {self.explore_share}, expected a share from 0 to below 1;"
                " `--policy uniform` draws for everybody at random"
            )
        self._check_other()
        if self.reward != LOGGED:  # one text for one reward: what is kept of a day is found again by it
            object.__setattr__(self, "reward", parse_reward(self.reward).text)

    def _check_other(self) -> None:
        if self.other_policy and parse_policy(self.other_policy) == parse_policy(self.policy):
            raise InputError(
                f"other_policy {self.other_policy} is the policy {self.policy} itself; name another, or another setting"
            )
        if not 0 < self.other_share < 1:
            raise InputError(f"other_share is {self.other_share}, expected a share between 0 and 1")

    @property
    def live_policies(self) -> tuple[str, ...]:
        """The words of the policies that are compared live: the policy, then the other one if there is one."""
        return (self.policy, self.other_policy) if self.other_policy else (self.policy,)

    @property
    def is_contextual(self) -> bool:
        """Whether a live policy looks at scores of the posterior, or all only at the popularity that all users share."""
        return any(parse_policy(word).contextual for word in self.live_policies)

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies that the generation's picks are drawn under: the live ones, then that of explore data.

        Two settings of one policy are named by their words.
        """
        names = [word.partition(":")[0] for word in self.live_policies]
        live = names if len(set(names)) == len(names) else list(self.live_policies)
        return tuple(dict.fromkeys([*live, Uniform.name] if self.explore_share > 0 else live))
