"""How artworks are learned of and chosen, as options of the commands that make generations."""

import re
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Final

import typer

from artwork.console.options import SeedOption, option
from bandit.errors import InputError
from bandit.posterior.registry import POSTERIORS
from batch.config import MAX_VARIANTS, Config, Variant
from batch.experiments.gated.gate import refuse_beside
from batch.experiments.gated.shipped import read_shipped
from batch.experiments.listing import experiment_config
from batch.workspace.workspace import Workspace

_FIELDS = tuple(item.name for item in fields(Variant) if item.name != "name")
_next_field = re.compile(rf",(?=(?:{'|'.join(_FIELDS)})=)").split

_POLICIES = (
    "thompson, epsilon_greedy[:epsilon=0.1,halving=5000], softmax[:temperature=0.05], linucb[:alpha=1], greedy,"
    " uniform or popularity."
)
_POSTERIORS = f"What contextual policies learn with: {', '.join(POSTERIORS)}."
PolicyOption = Annotated[str, typer.Option(help=_POLICIES)]
PosteriorOption = Annotated[str, typer.Option(help=_POSTERIORS)]

EXPLORE_SHARE: Final = 0.01
"""Of users who explore, without whom nobody sees that the world drifts: they cost 1 % of what the policy gains."""
_DEFAULTS = Config()
_VARIANT = Variant()


@dataclass(frozen=True)
class ChoosingOptions:
    """How artworks are learned of and chosen."""

    policy: str | None = option(None, f"{_POLICIES} {_VARIANT.policy} by default, or what a gated experiment shipped.")
    posterior: str | None = option(None, f"{_POSTERIORS} {_VARIANT.posterior} by default.")
    retention: float = option(
        _DEFAULTS.retention, "Share of a day's evidence that is left a day later, above 0 and at most 1."
    )
    reward: str | None = option(
        None,
        "What is learned from: take[:engaged_fraction=0.7], click, watched_fraction, freshness[:half_life=14], diversity,"
        " several as weighted_sum:take=0.8,diversity=0.2, or logged for the reward as it was logged."
        f" {_VARIANT.reward} by default.",
    )
    explore_share: float | None = option(
        None,
        "Share of users whose picks are drawn under the uniform policy, from 0 to below 1; by default"
        f" {EXPLORE_SHARE}, and 0 where several variants are live.",
    )
    stickiness: float | None = option(
        None,
        "Share of the draws, from 0 to below 1, that keep the artwork which the generation before picked for the user, where"
        f" it may well be the best still; {_VARIANT.stickiness:g} by default.",
    )
    stickiness_margin: float | None = option(
        None,
        "The most by which its probability to be the best may lie below the largest one;"
        f" {_VARIANT.stickiness_margin:g} by default.",
    )
    variant: list[str] | None = option(
        None,
        f"One of several that are live side by side: [NAME=]{'=...,'.join(_FIELDS)}=..., in any order."
        " --policy, --posterior, --reward and --stickiness give what is left out; a share that is left out is an equal part of"
        f" the rest. Repeat it, up to {MAX_VARIANTS} times.",
    )
    refit_days: int = option(
        _DEFAULTS.refit_days,
        "Newest days whose rows a logistic posterior is refitted to; others learn from sums of all days.",
    )
    salt: str = option(
        _DEFAULTS.salt, "Draws anew which users get which variant, who else are the same in every generation."
    )
    seed: SeedOption = _DEFAULTS.seed
    experiment: str | None = option(
        None,
        "The experiment whose variants are made; its plan gives --variant, --policy, --posterior, --reward, --stickiness"
        " and --salt.",
    )

    def config(self, workspace: Workspace) -> Config:
        """The same as the job takes it; an experiment is that of a workspace, as is what is chosen by if nothing is said.

        Raises:
            InputError: a value is not as it should be, or is that of an experiment's plan, or a gated experiment runs.
        """
        if self.experiment is not None:
            self.refuse_beside("--experiment")
            return experiment_config(workspace, self.experiment, self.shared)
        refuse_beside(workspace, None)
        usual = self._usual(workspace)
        variants = tuple(parse_variant(text, usual) for text in self.variant or ()) or (usual,)
        # A comparison of variants has the users that it was planned with.
        share = EXPLORE_SHARE if len(variants) == 1 else 0.0
        return replace(
            self.shared,
            variants=variants,
            salt=self.salt,
            explore_share=share if self.explore_share is None else self.explore_share,
        )

    @property
    def shared(self) -> Config:
        """What is the same whatever the variants are."""
        return Config(
            seed=self.seed,
            retention=self.retention,
            explore_share=self.explore_share or 0.0,
            refit_days=self.refit_days,
        )

    def refuse_beside(self, flag: str) -> None:
        """Refuse flags that say what a plan says.

        Raises:
            InputError: names the first of them.
        """
        if given := [name for name in _OF_THE_PLAN if getattr(self, name) != getattr(ChoosingOptions(), name)]:
            own = f"--{given[0].replace('_', '-')}"
            raise InputError(f"{own} and {flag} both say what is chosen; leave {own} out")

    def _usual(self, workspace: Workspace) -> Variant:
        given = {name: value for name in _OF_A_VARIANT if (value := getattr(self, name)) is not None}
        shipped = None if given or self.variant else read_shipped(workspace)
        return Variant(**given) if shipped is None else shipped.variant


_OF_A_VARIANT: Final = ("policy", "posterior", "reward", "stickiness", "stickiness_margin")
_OF_THE_PLAN: Final = ("variant", "salt", *_OF_A_VARIANT)


def parse_variant(text: str, usual: Variant) -> Variant:
    """A variant of the command line, ``[NAME=]policy=...,share=...``; what it leaves out is that of ``usual``.

    Raises:
        InputError: a field is not known or is given twice, or a value makes no sense.

    >>> parse_variant("bold=policy=epsilon_greedy:epsilon=0.3,halving=500,share=0.2", Variant()).policy
    'epsilon_greedy:epsilon=0.3,halving=500'
    """
    name, _, rest = text.partition("=")
    own, settings = ("", text) if name in _FIELDS else (name, rest)
    values: dict[str, Any] = {}
    for part in _next_field(settings):
        key, _, value = part.partition("=")
        if key not in _FIELDS or key in values:
            wrong = f"has {key} twice" if key in values else f"has {part!r}"
            raise InputError(
                f"--variant {text} {wrong}, expected [NAME=]field=value,..., each of {', '.join(_FIELDS)} once at most"
            )
        values[key] = value
    try:
        for key in values.keys() & {"floor", "new_floor", "share", "stickiness", "stickiness_margin"}:
            values[key] = float(values[key])
        return replace(usual, name=own, **values)
    except ValueError as error:
        raise InputError(f"--variant {text}: {error}") from None
