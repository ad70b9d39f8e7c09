"""``artwork explain``: why a user sees an artwork."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from artwork.commands.jobs import GenerationOption
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit
from artwork.console.tables import Sheet, printed
from bandit.errors import InputError, SurroundingsError
from batch.choosing.explain import explain
from batch.choosing.explanation import Contribution, ExplainedArtwork, Explanation
from batch.publishing.flips import read_current
from batch.store.client import connect, store_errors
from batch.store.embedded import store_url
from batch.workspace.generations import read_manifest
from batch.workspace.workspace import Workspace

_SMALLEST = 5e-5  # of a contribution that is told: smaller ones would read +0.0000

app = typer.Typer(rich_markup_mode="rich")


@app.command("explain")
def explain_command(
    user: Annotated[str, typer.Option("--user", help="A user_id of users.parquet.")],
    title: Annotated[str, typer.Option("--title", help="A title_id of titles.parquet.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    generation: GenerationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show why a user sees an artwork: scores, win probabilities, floors, weights, and what the context adds.

    Example: artwork explain --workspace workspace/demo --user u0196 --title m0050
    """
    made = explain(Workspace(workspace), user, title, generation)
    emit(replace(made, current=_served(workspace)), render_explanation, as_json=as_json)


def _served(workspace: Path) -> int | None:
    """The generation of this workspace that the store serves; None if no store runs, which is no reason to start one."""
    try:
        url = store_url(workspace, start=False)
        with store_errors(url):
            now = read_current(connect(url))
        manifest = None if now is None else read_manifest(Workspace(workspace), now.generation)
    except (SurroundingsError, InputError):  # the latter of a generation that is not here
        return None
    return manifest.generation if now and manifest and manifest.identity == now.identity else None


def render_explanation(made: Explanation) -> str:
    """Who is shown what and why: a table of artworks, what the context adds to each, and earlier picks."""
    parts = [_headline(made), printed(_artworks(made))]
    lines = [f"  {artwork.artwork_id}  {_sum(artwork)}" for artwork in made.artworks if artwork.contributions]
    if lines:
        scale = "log-odds of a reward" if made.link == "logit" else "expected reward"
        parts.append(
            f"{scale} at an average context, and what this user's context adds (value × weight), the largest first:\n"
            + "\n".join(lines)
        )
    if made.earlier:
        parts.append(printed(_earlier(made)))
    return "\n\n".join(parts)


def _headline(made: Explanation) -> str:
    if made.instead_of is not None:
        how = (
            f"has the pick {made.instead_of}, drawn by {made.variant}, which is retired (revision {made.revision} of the"
            f" catalogue); {_instead(made)}"
        )
    elif made.source == "default":
        how = f"has no pick there: {made.shown} is shown, as to everybody"
    elif made.source == "popularity":
        how = f"has no pick there: popularity draws {made.shown} from the fallback weights, which no context changes"
    elif made.explores:
        how = f"is in the explore share: {made.policy} drew {made.shown}, whatever is known"
    else:
        how = f"is shown {made.shown}, drawn by {made.variant} over the {made.posterior} posterior{_kept(made)}"
        if made.split is not None:
            how += (
                f", to which a hash gave this title (of this user's titles, {made.split:.0%} are the second variant's)"
            )
    served = {None: "no store runs, or it serves none of this workspace", made.generation: "which is served"}.get(
        made.current, f"while {made.current} is served"
    )
    return f"title {made.title_id}, generation {made.generation} ({served}): user {made.user_id} {how}"


def _kept(made: Explanation) -> str:
    if made.previous is None:
        return ""
    before = made.previous
    gained = next(artwork.stickiness for artwork in made.artworks if artwork.artwork_id == before.artwork_id)
    near = f"within {before.margin:g} of the most likely best"
    how = f"which {before.share:.0%} of the draws keep, as it is {near}" if gained > 0 else f"which is not {near}"
    return f"; generation {before.generation} showed {before.artwork_id}, {how}"


def _instead(made: Explanation) -> str:
    if made.source == "default":
        return f"{made.shown} is shown instead, the only one that is left to show"
    return f"popularity draws {made.shown} instead, with propensity {made.shown_propensity:.4f} among the artworks that remain"


def _artworks(made: Explanation) -> Sheet:
    kept = ("stickiness",) if made.previous else ()
    columns = ("", "artwork", "impressions", "reward", "probability", *kept, "floor", "propensity", "weight")
    rows = [
        (
            "→" if artwork.artwork_id == made.shown else "",
            artwork.artwork_id
            + (" (new)" if artwork.new else "")
            + (" (retired)" if artwork.artwork_id in made.retired else ""),
            f"{artwork.impressions:,}",
            f"{artwork.mean:.4f} ± {artwork.deviation:.4f}",
            f"{artwork.probability:.4f}",
            *([f"{artwork.stickiness:+.4f}"] if kept else []),
            f"{artwork.floor:+.4f}",
            f"{artwork.propensity:.4f}",
            str(artwork.weight),
            *([f"{artwork.score:+.3f} ± {artwork.score_deviation:.3f}"] if made.link == "logit" else []),
        )
        for artwork in made.artworks
    ]
    return Sheet((*columns, *(["log-odds"] if made.link == "logit" else [])), rows, numbers_from=2)


def _sum(artwork: ExplainedArtwork) -> str:
    shown = [part for part in artwork.contributions if abs(part.contribution) >= _SMALLEST]
    return f"{artwork.level:+.4f}  " + ("  ".join(_part(part) for part in shown) or "(nothing)")


def _part(part: Contribution) -> str:
    return f"{part.contribution:+.4f} {part.feature} ({part.value:.2f} × {part.weight:+.4f})"


def _earlier(made: Explanation) -> Sheet:
    rows = [
        (
            str(pick.generation),
            "current" if pick.generation == made.current else "",
            pick.policy,
            pick.artwork_id,
            f"{pick.propensity:.4f}",
        )
        for pick in made.earlier
    ]
    return Sheet(("generation", "served", "policy", "artwork", "propensity"), rows)
