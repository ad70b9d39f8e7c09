"""What a plan is asked for, and what no plan can be made of."""

from dataclasses import dataclass

from bandit.errors import InputError
from bandit.snapshot import (
    FORMAT_2,
    GAP_MOVES,
    HEADER_BYTES,
    INDEX_BYTES,
    MAX_ARMS,
    MAX_ROW_BYTES,
    MAX_TITLES,
    MOST_GAP,
    RowFormat,
    row_format,
    row_key,
)

FORMATS = ("2", "3")
LARGEST_ID = 64
MOST_ON_A_PAGE = 200
_WHY = {
    "--picks-per-user": ": nobody has more picks than there are titles",
    "--artworks": ": on average a title has no more than the largest has, --most-artworks",
    "--page": ": a request asks for no more artworks",
}


@dataclass(frozen=True)
class Wanted:
    """Users and what is kept for them, how often they are looked up, and what a store holds at a time.

    ``artworks`` is what a title has on average, ``most_artworks`` what the largest has. ``picks_per_user`` of all ``titles`` is a
    dense row, fewer are a shortlist. ``rate`` counts artworks asked for per second, ``page`` how many of them a request asks for.
    ``impressions`` are those of a day. ``generations`` are those that the store has while nothing is published.
    """

    users: int
    titles: int
    artworks: float
    most_artworks: int
    picks_per_user: int
    rate: float
    page: int
    impressions: int
    generations: int
    replicas: int
    node_gb: float
    night_hours: float
    id_length: int
    form: RowFormat

    @property
    def is_dense(self) -> bool:
        """Whether a row has a pick for every title."""
        return self.picks_per_user == self.titles

    @property
    def row_bytes(self) -> float:
        """Of a user's row; of shortlists in format 3 the mean over all lists of that many titles."""
        return row_bytes(self.form, self.titles, self.picks_per_user)

    @property
    def key_bytes(self) -> int:
        """Of the key of a row."""
        return len(row_key(1, "u" * self.id_length))

    @property
    def requests(self) -> float:
        """Requests per second; each of them reads one row."""
        return self.rate / self.page


def check(wanted: Wanted, number: str | None) -> None:
    """Refuse what cannot be, or what the product does not do; ``number`` is the row format that was asked for.

    Raises:
        InputError: names the option, what it is, and what is expected.
    """
    _check_ranges(wanted)
    if number is not None and str(wanted.form.number) != number:
        raise InputError(
            f"--format {number} does not take --most-artworks {wanted.most_artworks}; format 3 takes up to 32 artworks"
            " per title: leave --format out"
        )
    if wanted.is_dense:
        most, remedy = (
            wanted.form.most_dense_picks,
            "give each user a shortlist (candidates.parquet): --picks-per-user 100",
        )
    else:
        most, remedy = wanted.form.most_shortlist_picks, "lower --picks-per-user"
    if wanted.picks_per_user > most:
        raise InputError(
            f"a row of {wanted.picks_per_user:,} picks has {wanted.row_bytes:,.0f} bytes, at most {MAX_ROW_BYTES:,} are"
            f" allowed: {most:,} picks in format {wanted.form.number}; {remedy}"
        )


def form_of(number: str | None, most_artworks: int) -> RowFormat:
    """The row format of a number, or the smallest that takes the largest title.

    Raises:
        InputError: no format takes so many artworks.
    """
    if not 1 <= most_artworks <= MAX_ARMS:
        raise InputError(
            f"--most-artworks is {most_artworks}, expected 1 to {MAX_ARMS}: that is the most a title can have"
        )
    return FORMAT_2 if number == "2" else row_format(most_artworks)


def row_bytes(form: RowFormat, titles: int, picks: int) -> float:
    """Bytes of a row of some of the titles, or of all of them."""
    own = HEADER_BYTES + picks * form.pick_bytes
    if picks == titles:
        return float(own)
    return own + (picks * INDEX_BYTES if form is FORMAT_2 else gap_bytes(titles, picks))


def gap_bytes(titles: int, picks: int) -> float:
    """Bytes of the gap code of a shortlist, the mean over all lists of ``picks`` of ``titles``.

    A gap of more than 240 · m titles takes ⌈m / 16⌉ bytes more. P(gap > g) = C(titles - g, picks) / C(titles, picks).

    >>> round(gap_bytes(15_000, 100)), gap_bytes(100, 1) == 1
    (120, True)
    """
    longer = 0.0
    for moves in range(1, titles // MOST_GAP + 1, len(GAP_MOVES)):
        longer += _share_beyond(titles, picks, moves * MOST_GAP)
    return picks * (1 + longer)


def _share_beyond(titles: int, picks: int, gap: int) -> float:
    """The share of gaps that are longer than this."""
    share = 1.0
    for place in range(picks):
        share *= max(0.0, titles - gap - place) / (titles - place)
    return share


def _check_ranges(wanted: Wanted) -> None:
    for name, value, least, most in (
        ("--users", wanted.users, 1, 10**12),
        ("--titles", wanted.titles, 1, MAX_TITLES),
        ("--picks-per-user", wanted.picks_per_user, 1, wanted.titles),
        ("--artworks", wanted.artworks, 1, wanted.most_artworks),
        ("--page", wanted.page, 1, MOST_ON_A_PAGE),
        ("--impressions", wanted.impressions, 0, 10**15),
        ("--generations", wanted.generations, 1, 100),
        ("--replicas", wanted.replicas, 0, 5),
        ("--night-hours", wanted.night_hours, 0.01, 24),
        ("--node-gb", wanted.node_gb, 0.1, 100_000),
        ("--id-length", wanted.id_length, 1, LARGEST_ID),
        ("--rate", wanted.rate, 0.001, 10**12),
    ):
        if not least <= value <= most:
            raise InputError(f"{name} is {value:,g}, expected {least:,g} to {most:,g}{_WHY.get(name, '')}")
