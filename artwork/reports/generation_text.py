"""What the stages of a generation say: trained, precomputed, published, and what the gate before publishing has seen."""

from batch.choosing.precompute import Precomputed
from batch.datasets.refreshing import Refreshed
from batch.learning.train import Trained
from batch.publishing.gate import Verdict
from batch.publishing.publish import Published


def render_trained(made: Trained) -> str:
    """What was learned from, and where it lies."""
    window = ""
    if made.refit_days is not None:
        left_out = f", which leaves out {made.days_left_out} days" if made.days_left_out else ""
        window = f"\nlogistic is refitted to the rows of the newest {made.refit_days} days{left_out}"
    gone = f" ({made.unknown:,} of artworks that are gone)" if made.unknown else ""
    kept = ""
    if made.previous is not None:
        kept = f"\npicks of generation {made.previous} are kept where they may be the best still"
    elif made.nothing_kept:
        kept = f"\nno picks are kept, whatever the stickiness: {made.nothing_kept}"
    segments = f"\n{made.segments} segments of users answer for those who are new" if made.segments else ""
    nothing = "".join(
        f"\nnothing to learn: {reward} is 0 for all that was shown, so no artwork is told from another by it"
        for reward in made.without_reward
    )
    return (
        f"generation {made.generation} trained for {' and '.join(made.variants)} from {made.impressions:,} impressions"
        f" of {made.days} days{gone}: {made.folder}"
        f"{window}{segments}{kept}{nothing}"
    )


def render_precomputed(made: Precomputed) -> str:
    """How much was chosen, and where it lies."""
    changed = ""
    if made.flip_rate is not None:
        changed = f"\n{made.flip_rate:.1%} of the picks that generation {made.previous} had are another artwork now"
    return (
        f"generation {made.generation}: {made.picks:,} picks of {' and '.join(made.variants)} for {made.users:,} users"
        f" x {made.titles:,} titles: {made.folder / 'picks'}{changed}"
    )


def render_published(made: Published) -> str:
    """What the store holds now."""
    before = "nothing before" if made.previous is None else f"generation {made.previous} before"
    return (
        f"{render_verdict(made.gate)}\n"
        f"generation {made.generation} is current ({before}): {made.rows:,} rows, {made.row_bytes:,} bytes"
        f" in {made.seconds:.1f} s to {made.store}"
    )


def render_verdict(verdict: Verdict) -> str:
    """What the gate has seen: in one line what passed, and a line for whatever else."""
    passed = ", ".join(check.name for check in verdict.checks if check.passed)
    others = [check for check in verdict.checks if not check.passed]
    lines = [
        f"  {'refused' if check.passed is False else 'not judged'}: {check.name}: {check.text}" for check in others
    ]
    with_parent = "" if verdict.parent is None else f" beside generation {verdict.parent}"
    return "\n".join([f"generation {verdict.generation}{with_parent} passed: {passed}", *lines])


def render_refreshed(made: Refreshed) -> str:
    """Whose contexts are new, or why none are."""
    if made.kept:
        return f"contexts are kept: {made.kept}"
    answers = f" and {made.answers:,} answers to the survey" if made.answers else ""
    return f"contexts of {made.users:,} users are new, made of {made.plays:,} plays{answers}"
