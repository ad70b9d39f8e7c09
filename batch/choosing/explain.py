"""Why a user sees an artwork: what the posterior says, what the policy makes of it, what floors add, what was drawn."""

from dataclasses import replace
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.hashing import hash_ids
from bandit.policies import LinUCB, Popularity
from bandit.posterior import BetaPosterior
from bandit.posterior.shared_weights import SharedWeights
from bandit.scores import Moments, Scores
from bandit.snapshot import FALLBACK, TOTAL_WEIGHT, Overlay, keyed_hash, remaining_default, remaining_weights
from batch.choosing.chooser import USERS_A_PRODUCT, Chooser
from batch.choosing.explanation import Contribution, ExplainedArtwork, Explanation, Previous
from batch.choosing.variants import Scoring, explore
from batch.datasets.contexts import FEATURES
from batch.linear_algebra import in_one_thread
from batch.workspace.files import read_parquet
from batch.workspace.generations import folder_of, read_manifest, resolve, verify_files
from batch.workspace.overlays import newest_overlay
from batch.workspace.picks import RecordedPick, recorded_pick, recorded_picks
from batch.workspace.previous_picks import NONE
from batch.workspace.workspace import Workspace

GENERATIONS = 10
"""Generations that are looked through for earlier picks."""

LARGEST = 5
"""Contributions that are shown of each artwork."""

_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(64)


def explain(
    workspace: Workspace,
    user_id: str,
    title_id: str,
    generation: int | None,
    *,
    anybody: bool = False,
    overlay: Overlay | None = None,
) -> Explanation:
    """Explain the choice for a user and a title in a generation that has picks: None takes the newest.

    Args:
        workspace: that holds the generation.
        user_id: for whom.
        title_id: of which title.
        generation: its number.
        anybody: explain what a user is answered whom nobody knows; else such a user is taken for a slip, and refused.
        overlay: under which; None takes the newest.

    Raises:
        InputError: the generation, the title or the user is not known; the message says which are. Or a file has changed.
    """
    number = resolve(workspace, generation, "precomputed")
    verify_files(workspace, read_manifest(workspace, number), but_picks=True)
    chooser, overlay = Chooser(workspace, number), overlay or newest_overlay(workspace)
    if title_id in overlay.added and title_id not in chooser.catalogue.title_ids:
        raise InputError(
            f"title {title_id} was added after generation {number}: until the next `artwork run` everybody is shown"
            f" {overlay.added[title_id]}, with propensity 1"
        )
    title = _place(chooser.catalogue.title_ids, title_id, "title", f"generation {number}")
    place = chooser.users.place(user_id)
    if place is None and not anybody:
        everybody = read_parquet(workspace.users, columns=["user_id"])["user_id"].to_list()
        _place(everybody, user_id, "user", f"generation {number} or {workspace.users}")
    pick = recorded_pick(workspace, number, user_id, title_id)
    with in_one_thread():  # as when the picks were drawn
        if pick is None or place is None:
            return _of_popularity(workspace, chooser, overlay, user_id, title)
        made = _of_user(workspace, chooser, place, title, pick)
    return _without_retired(made, chooser, overlay, title)


class Answer(NamedTuple):
    """What the service answers a user for whom there is no pick, or whose pick is retired."""

    source: str
    policy: str
    artwork_id: str
    propensity: float


def fallback(chooser: Chooser, overlay: Overlay, user_id: str, title: int) -> Answer:
    """The draw from a title's popularity weights that remain, or the default artwork where there are none.

    Raises:
        InputError: all its artworks are retired, and none was added.
    """
    title_id, arms = chooser.catalogue.title_ids[title], chooser.catalogue.arms(title)
    own = chooser.catalogue.frame[arms.tolist()]
    ids, retired = own["artwork_id"].to_list(), overlay.retired.get(title_id, ())
    gone = {arm for arm, artwork_id in enumerate(ids) if artwork_id in retired}
    if len(gone) == len(ids):
        if title_id not in overlay.added:
            raise InputError(f"all artworks that title {title_id} has in this generation are retired: nothing is shown")
        return Answer("default", "default", overlay.added[title_id], 1.0)
    weights, total = remaining_weights(own["popularity_weight"].to_list(), gone)
    if not total:
        return Answer(
            "default", "default", ids[remaining_default(len(ids), int(own["is_default"].arg_max() or 0), gone)], 1.0
        )
    hashed = keyed_hash(FALLBACK, chooser.config.seed, chooser.manifest.generation, user_id, title_id)
    arm = int(np.searchsorted(np.cumsum(weights), (hashed * total) >> 64, side="right"))
    return Answer("popularity", Popularity.name, ids[arm], weights[arm] / total)


def _without_retired(made: Explanation, chooser: Chooser, overlay: Overlay, title: int) -> Explanation:
    """The explanation under the overlay: of what is answered where the pick is retired."""
    retired = overlay.retired.get(made.title_id, ())
    made = replace(made, retired=retired, revision=overlay.revision)
    if made.shown not in retired:
        return made
    answer = fallback(chooser, overlay, made.user_id, title)
    return replace(
        made,
        source=answer.source,
        policy=answer.policy,
        shown=answer.artwork_id,
        shown_propensity=answer.propensity,
        instead_of=made.shown,
    )


def _of_user(workspace: Workspace, chooser: Chooser, row: int, title: int, pick: RecordedPick) -> Explanation:
    first = row // USERS_A_PRODUCT * USERS_A_PRODUCT
    block = chooser.users.slice(first, USERS_A_PRODUCT)["user_id"]
    # The whole product, as it was scored when the picks were drawn: the sums in a product depend on its shape.
    contexts, places = chooser.padded_contexts(first, len(block)), chooser.padded_places(first, len(block))
    own = row - first
    explores = bool(explore(chooser.config, chooser.manifest.generation, hash_ids(block[own : own + 1]))[0])
    drawn_by = int(places.of_title(chooser.titles_hashed[title])[own])
    place = 0 if explores else drawn_by
    scoring, policy = chooser.variants[place].scoring, chooser.variants[place].deployed.policy(title)
    # Of a pick that was not drawn given another one nobody needs the files of the generation before, which may be gone.
    previous = chooser.previous(block).of(title, len(contexts)) if chooser.keeps(title, places)[own] else None
    probabilities = chooser.probabilities(title, contexts, places, None)
    sticky = chooser.probabilities(title, contexts, places, previous)
    weights = chooser.weights(title, sticky, places)
    scores = scoring.scores(title, contexts)
    moments = _moments(scores, own)
    # LinUCB chose by the deviation of the draws, and that one is shown; else the exact one, where draws give that of 256 numbers.
    if isinstance(scoring.model, SharedWeights) and not isinstance(policy, LinUCB):
        moments = _moments(scoring.model.moments(contexts[own : own + 1], chooser.catalogue.arms(title)), 0)
    names = feature_names(workspace, contexts.shape[1])
    parts = contributions(chooser, scoring, title, contexts[own], names)
    return Explanation(
        user_id=block[own],
        title_id=chooser.catalogue.title_ids[title],
        generation=chooser.manifest.generation,
        source="personalized",
        policy=pick.policy,
        variant=pick.policy if explores else chooser.config.variants[place].label,
        posterior=scoring.name,
        link=link_of(scores),
        explores=explores,
        shown=pick.artwork_id,
        shown_propensity=pick.propensity,
        recorded=pick.weight,
        artworks=_artworks(
            chooser, title, moments, probabilities[own], sticky[own], weights[own], chooser.config.total, parts
        ),
        earlier=recorded_picks(workspace, block[own], chooser.catalogue.title_ids[title], GENERATIONS),
        split=float(chooser.config.splits[int(places.rows[own])]) if places.by_title[own] else None,
        previous=_previous(chooser, title, drawn_by, NONE if previous is None else int(previous[own])),
    )


def _previous(chooser: Chooser, title: int, place: int, arm: int) -> Previous | None:
    """What stickiness had to keep."""
    before, stickiness = chooser.manifest.previous, chooser.variants[place].deployed.stickiness
    if before is None or arm == NONE or stickiness.share == 0:
        return None
    artwork = chooser.catalogue.frame["artwork_id"][int(chooser.catalogue.arms(title)[arm])]
    return Previous(before.generation, artwork, stickiness.share, stickiness.margin)


def _of_popularity(workspace: Workspace, chooser: Chooser, overlay: Overlay, user_id: str, title: int) -> Explanation:
    """What the service answers where there is no pick: a draw from the weights of popularity."""
    arms, title_id = chooser.catalogue.arms(title), chooser.catalogue.title_ids[title]
    generation, answer = chooser.manifest.generation, fallback(chooser, overlay, user_id, title)
    beta = BetaPosterior.load(folder_of(workspace, generation) / "posterior" / "beta.npz").scores(None, arms)
    popular = Popularity().probabilities(beta)[0]
    weights = chooser.catalogue.frame["popularity_weight"].to_numpy()[arms]
    parts: list[tuple[float, list[Contribution]]] = [(float(mean), []) for mean in beta.expected[0]]
    return Explanation(
        user_id=user_id,
        title_id=title_id,
        generation=generation,
        source=answer.source,
        policy=answer.policy,
        variant=Popularity.name,
        posterior=BetaPosterior.name,
        link="identity",
        explores=False,
        shown=answer.artwork_id,
        shown_propensity=answer.propensity,
        recorded=None,
        artworks=_artworks(chooser, title, _moments(beta, 0), popular, popular, weights, TOTAL_WEIGHT, parts),
        earlier=recorded_picks(workspace, user_id, title_id, GENERATIONS),
        retired=overlay.retired.get(title_id, ()),
        revision=overlay.revision,
    )


def link_of(scores: Scores) -> str:
    """The scale of scores: ``identity`` is that of rewards."""
    return scores.link if isinstance(scores, Moments) else "identity"


def _moments(scores: Scores, row: int) -> dict[str, F64]:
    """Mean and deviation of each artwork (k,), on the posterior's scale and on that of rewards."""
    row = min(row, scores.shape[0] - 1)  # popularity has one row for all users
    score, spread = scores.expected[row], scores.deviations[row]
    mean, deviation = reward_moments(score, spread, link_of(scores))
    return {"mean": mean, "deviation": deviation, "score": score, "score_deviation": spread}


def reward_moments(means: F64, deviations: F64, link: str) -> tuple[F64, F64]:
    """Mean and deviation of rewards from those of scores, in the same shape (..., k).

    Of a ``logit`` link they are those of 1 / (1 + exp(-s)) for Gaussian s, by Gauss-Hermite quadrature of 64 nodes.
    """
    if link != "logit":
        return means, deviations
    shares = _SHARES / _SHARES.sum()
    rewards = expit(means[..., None] + deviations[..., None] * _NODES)  # (..., k, 64)
    mean = rewards @ shares
    return mean, np.sqrt(np.maximum(((rewards - mean[..., None]) ** 2) @ shares, 0.0))


def _artworks(
    chooser: Chooser,
    title: int,
    moments: dict[str, F64],
    probabilities: F64,
    sticky: F64,
    weights: npt.NDArray[np.uint16],
    total: int,
    parts: list[tuple[float, list[Contribution]]],
) -> list[ExplainedArtwork]:
    rows, new = chooser.catalogue.arms(title).tolist(), chooser.variants[0].deployed.new(title)
    ids = chooser.catalogue.frame["artwork_id"]
    return [
        ExplainedArtwork(
            artwork_id=ids[row],
            arm=arm,
            impressions=int(chooser.impressions[row]),
            new=bool(new[arm]),
            **{name: float(values[arm]) for name, values in moments.items()},
            probability=float(probabilities[arm]),
            stickiness=float(sticky[arm] - probabilities[arm]),
            floor=float(weights[arm] / total - sticky[arm]),
            weight=int(weights[arm]),
            propensity=float(weights[arm] / total),
            level=parts[arm][0],
            contributions=parts[arm][1],
        )
        for arm, row in enumerate(rows)
    ]


def feature_names(workspace: Workspace, n_features: int) -> tuple[str, ...]:
    """What stands at each place of a context: of data sets made here, the names; of others, the places."""
    if workspace.truth.exists() and n_features == len(FEATURES):
        return FEATURES
    return tuple(f"feature {place}" for place in range(n_features))


def contributions(
    chooser: Chooser, scoring: Scoring, title: int, context: F64, names: tuple[str, ...]
) -> list[tuple[float, list[Contribution]]]:
    """Level and largest contributions of each artwork at a context (d,), by one of the chooser's models.

    Expected scores are affine in the context, so those at d + 1 contexts tell all. Features that are 1 for everybody are in
    the level, whichever weight the posterior gave them.
    """
    constant = chooser.users.constant  # (d,)
    base = np.where(constant, 1.0, 0.0)
    corners = np.vstack([base, base + np.diag(~constant)])  # (d + 1, d)
    expected = scoring.scores(title, corners).expected
    if len(expected) == 1:  # it knows no context
        return [(float(mean), []) for mean in expected[0]]
    weights = expected[1:] - expected[0]  # (d, k)
    added = context[:, None] * weights
    largest = np.argsort(-np.abs(added), axis=0, kind="stable")[:LARGEST]  # (5, k)
    return [
        (
            float(expected[0, arm]),
            [
                Contribution(names[j], float(context[j]), float(weights[j, arm]), float(added[j, arm]))
                for j in largest[:, arm]
                if added[j, arm]
            ],
        )
        for arm in range(expected.shape[1])
    ]


def _place(known: list[str], wanted: str, what: str, where: str) -> int:
    if wanted in known:
        return known.index(wanted)
    near = get_close_matches(wanted, known, n=3) or known[:3]
    raise InputError(f"there is no {what} {wanted!r} in {where}, which has {len(known):,}, such as {', '.join(near)}")
