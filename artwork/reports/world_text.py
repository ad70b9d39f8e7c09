"""A comparison in a world as text."""

from artwork.compare.world import ComparedWorld
from artwork.console.tables import printed
from artwork.reports.world_tables import accuracy_sheet, ages_sheet, head_lines, standings_sheet, verdict_line

LEGEND = (
    "regret a user: takes that an average user missed on the live days, beside the best artwork each time;"
    " ± is one standard error over seeds"
)
OLD = "what picks lose that are served so many hours after fresh ones could be, in percentage points of the take rate"
BESIDE = (
    "off-policy estimates beside the truth: bias and root mean square error of those that stand, in percentage points of the"
    " take rate; how often the log was said not to tell, and the error that was withheld; how often intervals hold the truth, by"
    " kind (without those that had a caution)"
)


def render(made: ComparedWorld) -> str:
    """What was simulated, who stands where, what age costs, and how estimators fared."""
    sheets = ((LEGEND, standings_sheet(made)), (OLD, ages_sheet(made)), (BESIDE, accuracy_sheet(made)))
    parts = [part for text, sheet in sheets if sheet.rows for part in (text, printed(sheet))]
    return "\n".join((*head_lines(made), "", *parts, verdict_line(made), f"took {made.seconds:.0f} s"))
