"""What is compared: a policy with what its scores come from."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit.errors import InputError
from bandit.policies import Policy, Uniform
from bandit.posterior.registry import WITHOUT_CONTEXT, registered
from bandit.rewards import Reward


@dataclass(frozen=True)
class Contender:
    """A policy, the posterior that it learns with, and the reward that it learns.

    ``word`` is the policy's on the command line. ``posterior`` is None where the policy looks at no user: uniform and popularity
    are the same whatever the others learn with. ``reward`` is None for the take of the world.
    """

    policy: Policy
    word: str
    posterior: str | None = None
    reward: Reward | None = None

    @property
    def name(self) -> str:
        """The word, and the posterior."""
        return self.word if self.posterior is None else f"{self.word} + {self.posterior}"

    @property
    def kind(self) -> str:
        """The posterior that scores come from: take rates where the policy looks at no user."""
        return self.posterior or WITHOUT_CONTEXT

    def meets(self, other: "Contender") -> bool:
        """Whether the two are judged by each other's logs: they learn alike, or one of them looks at no user."""
        return (
            self != other
            and self.reward == other.reward
            and (self.posterior == other.posterior or None in {self.posterior, other.posterior})
        )


def contenders_of(policies: Sequence[tuple[str, Policy]], posteriors: Sequence[str]) -> list[Contender]:
    """Every policy with every posterior, uniform first, whether it is named or not: it is what the others are measured by.

    Args:
        policies: words, and what they stand for.
        posteriors: words.

    Raises:
        InputError: there is no posterior, one is not known, or is there twice.
    """
    if not posteriors or len(set(posteriors)) < len(posteriors):
        raise InputError(f"the posteriors are {', '.join(posteriors) or 'none'}; expected at least one, and none twice")
    for posterior in posteriors:
        registered(posterior)
    contenders = [Contender(Uniform(), Uniform.name)]
    for word, policy in policies:
        if not isinstance(policy, Uniform):
            learned = posteriors if policy.contextual else (None,)
            contenders += [Contender(policy, word, posterior) for posterior in learned]
    return contenders
