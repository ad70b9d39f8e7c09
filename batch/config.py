"""How a generation is made: what is learned, how it is chosen, and what is learned from."""

from dataclasses import dataclass

from bandit.errors import InputError
from bandit.policies import Uniform, parse_policy
from bandit.policies.deciding import FLOOR, NEW_FLOOR
from bandit.posterior.checks import checked_retention
from bandit.rewards import parse_reward

POSTERIORS = ("beta", "linear", "logistic", "shared")
LOGGED = "logged"
"""The reward that was written to the log, as it is."""


@dataclass(frozen=True)
class Config:
    """How a generation is made.

    ``policy`` is a word of ``bandit.policies.parse_policy``. ``posterior`` is what contextual policies learn with.
    ``retention`` is the share of a day's evidence that is left a day later. ``reward`` is a word of
    ``bandit.rewards.parse_reward``, kept in its canonical form, or ``logged``. ``explore_share`` is the share of users whose
    picks are drawn under the uniform policy.

    Raises:
        InputError: a word is not known, or a number is out of range.
    """

    policy: str = "thompson"
    posterior: str = "linear"
    seed: int = 0
    floor: float = FLOOR
    new_floor: float = NEW_FLOOR
    new_arm_impressions: int = 100
    retention: float = 1.0
    reward: str = "take"
    explore_share: float = 0.0

    def __post_init__(self) -> None:
        parse_policy(self.policy)
        if self.posterior not in POSTERIORS:
            raise InputError(f"there is no posterior {self.posterior!r}; choose one of {', '.join(POSTERIORS)}")
        for name in ("floor", "new_floor"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise InputError(f"{name} is {getattr(self, name)}, expected a share between 0 and 0.5")
        if self.seed < 0 or self.new_arm_impressions < 0:
            raise InputError(f"seed {self.seed} and new_arm_impressions {self.new_arm_impressions} must be at least 0")
        checked_retention(self.retention)
        if not 0 <= self.explore_share < 1:
            raise InputError(
                f"explore_share is {self.explore_share}, expected a share from 0 to below 1;"
                " `--policy uniform` draws for everybody at random"
            )
        if self.reward != LOGGED:  # one text for one reward: what is kept of a day is found again by it
            object.__setattr__(self, "reward", parse_reward(self.reward).text)

    @property
    def is_contextual(self) -> bool:
        """Whether the policy looks at scores of the posterior, or only at the popularity that all users share."""
        return parse_policy(self.policy).contextual

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies that the generation's picks are drawn under: the policy, then that of explore data."""
        own = self.policy.partition(":")[0]
        return (own, Uniform.name) if self.explore_share > 0 and own != Uniform.name else (own,)
