"""What is said of one choice: plain values, fit for a terminal and for JSON."""

from dataclasses import dataclass

from batch.workspace.picks import RecordedPick


@dataclass(frozen=True)
class Contribution:
    """What a feature of the context adds to an artwork's score: value × weight, on the posterior's scale."""

    feature: str
    value: float
    weight: float
    contribution: float


@dataclass(frozen=True)
class ExplainedArtwork:
    """One artwork of the title. ``mean`` and ``deviation`` are on the scale of rewards, ``score`` is on the posterior's.

    ``probability`` is the policy's; ``stickiness`` is what keeping the previous artwork adds to it, and ``floor`` what floors and
    rounding to weights add, so that all three add up to the propensity. ``level`` is the score where every feature is 0 but those
    that are 1 for everybody: level and all contributions, the largest of which are listed, add up to the score. A posterior that
    knows no context has no contributions.
    """

    artwork_id: str
    arm: int
    impressions: int
    new: bool
    mean: float
    deviation: float
    score: float
    score_deviation: float
    probability: float
    stickiness: float
    floor: float
    weight: int
    propensity: float
    level: float
    contributions: list[Contribution]


@dataclass(frozen=True)
class Previous:
    """The pick of the generation that was served before, and how it is kept: ``share`` is S, ``margin`` M."""

    generation: int
    artwork_id: str
    share: float
    margin: float


@dataclass(frozen=True)
class Explanation:
    """Why this user sees this artwork of this title.

    ``source`` is personalized, popularity for a user or title without a pick, or default where no other artwork is left. What is
    retired is not shown: ``instead_of`` is then the pick, while source, policy, ``shown`` and ``shown_propensity`` are of the
    answer; ``retired`` are the title's artworks that the overlay's ``revision`` retires. ``policy`` is what answers and
    impressions name, ``variant`` says what that is. ``posterior`` and ``link`` name the model and the scale of its
    scores. ``shown`` is what is drawn; ``recorded`` the weight in the picks file. ``earlier`` are picks of this and
    other generations; ``current`` is the one of this workspace that the store serves, None if there is none. ``split`` is the
    share of the user's titles that the second of two interleaved variants chooses; None where one variant chooses all.
    ``previous`` is None where stickiness had nothing to keep.
    """

    user_id: str
    title_id: str
    generation: int
    source: str
    policy: str
    variant: str
    posterior: str
    link: str
    explores: bool
    shown: str
    shown_propensity: float
    recorded: int | None
    artworks: list[ExplainedArtwork]
    earlier: list[RecordedPick]
    current: int | None = None
    instead_of: str | None = None
    retired: tuple[str, ...] = ()
    revision: int = 0
    split: float | None = None
    previous: Previous | None = None
