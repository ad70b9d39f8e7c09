"""Regret by delay as text, beside published figures."""

from artwork.compare.delays import ComparedDelays
from bandit.simulation.studies.delay_table import FULL_STEPS, Comparison, Figure, Row

_HEADER = (
    "                     UCB                               Thompson sampling                 UCB / Thompson\n"
    "     δ  reading      regret       published      off   regret       published      off   ratio          published"
)


def render(made: ComparedDelays) -> str:
    """The table and the verdict, as text."""
    table = made.comparison
    title = (
        f"{table.world}: mean regret ± standard error of {table.repetitions} repetitions of {table.steps:,} steps,"
        f" seed {table.seed}, {made.seconds:.0f} s"
    )
    return "\n".join((title, _HEADER, *(_line(row) for row in table.rows), *_verdict(table)))


def _line(row: Row) -> str:
    ratio = f"{row.ratio.mean:.2f} ± {row.ratio.error:.2f}"
    known = "-" if row.ratio.published is None else f"{row.ratio.published:.2f}"
    return f"{row.delay:6,}  {row.reading:8}  {_cells(row.ucb)}   {_cells(row.thompson)}   {ratio:13}  {known:>9}"


def _cells(figure: Figure) -> str:
    regret = f"{figure.mean:,.0f} ± {figure.error:,.0f}"
    if figure.published is None or figure.deviation is None:
        return f"{regret:>16} {'-':>8} {'-':>7}"
    return f"{regret:>16} {figure.published:>8,.0f} {figure.deviation:>+7.1%}"


def _verdict(table: Comparison) -> tuple[str, ...]:
    if not table.judged:
        return (f"not judged: the published figures are of {FULL_STEPS:,} steps, with δ = 1 and longer delays",)
    if table.wanting:
        return tuple(f"failed: {sentence}" for sentence in table.wanting)
    return ("as published: Thompson sampling at δ = 1 within 10 %; regrets and their ratio rise with δ",)
