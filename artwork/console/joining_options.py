"""How events are joined, as options of ``artwork join`` and ``artwork run``."""

from dataclasses import dataclass

from artwork.console.options import option
from bandit.errors import InputError
from batch.events.arrivals import MOST_HORIZON_DAYS, OPEN_ROWS, JoinSettings
from batch.job import parse_duration

_USUAL = JoinSettings()


@dataclass(frozen=True)
class JoiningOptions:
    """How long plays count, and what becomes of impressions whose plays may still come."""

    window: str = option("6h", "How long after an impression a play counts for it: 30m, 6h, 1d.")
    grace: str = option("1h", "How long after its window an impression waits for plays that are on their way.")
    horizon: int = option(
        _USUAL.horizon_days,
        "Days after which what comes late changes no impression any more.",
        min=1,
        max=MOST_HORIZON_DAYS,
    )
    open_rows: str | None = option(
        None,
        f"{' or '.join(OPEN_ROWS)}: whether impressions that may still get a play are taken as they are, or left out until they"
        " cannot. A job that repeats itself waits, one that is run by hand learns, unless this is given.",
    )

    def settings(self, usual_open_rows: str) -> JoinSettings:
        """The same as the job takes it.

        Raises:
            InputError: a value is not as it should be.
        """
        grace = 0.0 if self.grace in {"0", "0s"} else parse_duration(self.grace)
        if (open_rows := self.open_rows or usual_open_rows) not in OPEN_ROWS:
            raise InputError(f"--open-rows is {open_rows!r}, expected {' or '.join(OPEN_ROWS)}")
        return JoinSettings(int(parse_duration(self.window)), int(grace), self.horizon, open_rows)
