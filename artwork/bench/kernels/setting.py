"""What every part is given, and how it compares itself with the rivals."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from artwork.bench.kernels.data import Size
from artwork.bench.kernels.results import Row
from artwork.bench.rivals import INSTALL, Rivals
from artwork.bench.rivals.base import Rival
from artwork.bench.targets import Target
from artwork.bench.timing import Pace, Side, Work, alone, compare


@dataclass(frozen=True)
class Setting:
    """How long is measured, how much data there is, and the rivals by name (None: not installed)."""

    pace: Pace = field(default_factory=Pace)
    size: Size = field(default_factory=Size)
    rivals: Rivals = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What a row is about, and our side of it."""

    part: str
    case: str
    unit: str
    ours: Side
    about: str = ""

    def alone(self, pace: Pace) -> Row:
        """A row that nobody is compared with."""
        return Row(self.part, self.case, self.unit, alone(self.ours, pace), about=self.about)

    def beside(self, name: str, theirs: Side, pace: Pace) -> Row:
        """A row with another side, timed in turn with ours."""
        compared = compare(self.ours, theirs, pace)
        return Row(
            self.part, self.case, self.unit, compared.ours, name, compared.theirs, compared.ratio, about=self.about
        )

    def beside_rivals(
        self,
        setting: Setting,
        theirs: Callable[[type[Rival]], tuple[Work, str]],
        targets: dict[tuple[str, str], Target],
    ) -> Iterator[Row]:
        """A row for each rival; ``theirs`` makes the work of one, and says what to know of it."""
        if not all(setting.rivals.values()):
            mine = self.alone(setting.pace)
            yield from (
                replace(mine, rival=name, note=INSTALL) for name, rival in setting.rivals.items() if rival is None
            )
        for name, rival in setting.rivals.items():
            if rival is not None:
                work, note = theirs(rival)
                row = self.beside(name, Side(work, self.ours.units), setting.pace)
                yield replace(row.judged(targets.get((self.part, name))), note=note)
