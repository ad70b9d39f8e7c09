"""A simulated world: how users respond to artworks, with every probability known.

The users, titles and tastes behind it may be real; the responses are not. It serves to measure regret and to try the
whole loop, and says nothing about people. Its constants are recorded in ``docs/decisions/0002-simulated-world.md``.
"""

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincinv, expit

from bandit.arrays import F64, I64, Bool
from bandit.errors import InputError
from bandit.files import replace_file

GENERAL = -1
"""The theme of an artwork that shows no genre."""


@dataclass(frozen=True)
class Constants:
    """The world's coefficients, on the logit scale unless said otherwise."""

    click_intercept: float = -2.65
    click_match: float = 1.1
    click_appeal: float = 0.1
    click_quality: float = 0.2
    click_bait: float = 1.0
    watch_intercept: float = 0.9
    watch_affinity: float = 0.4
    watch_bait: float = 2.2
    watch_concentration: float = 4.0
    """Of the Beta distribution of the watched fraction: the sum of its two parameters."""
    engaged_fraction: float = 0.7
    """The watched fraction from which a play is a take."""
    click_change: float = 0.0
    """What a click loses where the artwork is another one than the user saw of the title last; worlds of before have none."""


class Responses(NamedTuple):
    """What happened on each visit: ``clicked`` (m,) bool; ``watch_fraction`` (m,) float32, 0 where not clicked."""

    clicked: Bool
    watch_fraction: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class World:
    """Users, titles and artworks by their row in the workspace's tables: n users, t titles, a artworks, g genres."""

    tastes: F64
    """(n, g), z-scores of how much a user likes a genre."""
    user_bias: F64
    """(n,), z-score of how far a user's ratings lie above others'."""
    title_appeal: F64
    """(t,), z-score of a title's appeal to everybody."""
    title_genres: Bool
    """(t, g)."""
    artwork_title: I64
    """(a,), ascending row of the artwork's title."""
    artwork_theme: I64
    """(a,), the genre that the artwork shows, or ``GENERAL``."""
    artwork_quality: F64
    """(a,)."""
    artwork_clickbait: Bool
    """(a,), artworks that promise what the title does not hold."""
    constants: Constants = field(default_factory=Constants)

    def arms(self, title: int) -> I64:
        """Artwork rows of a title's arms, (k,)."""
        start, stop = np.searchsorted(self.artwork_title, (title, title + 1))
        return np.arange(start, stop)

    def click_probabilities(self, users: I64, title: int) -> F64:
        """P(click) of users (n,) on every arm of a title, (n, k)."""
        return self.click_probability_of(users[:, None], self.arms(title)[None, :])

    def take_probabilities(self, users: I64, title: int) -> F64:
        """P(take) of users (n,) on every arm of a title, (n, k): the expected reward."""
        arms = self.arms(title)
        engaged = self.engaged_probability_of(users[:, None], np.array([title]), np.array([[False, True]]))  # (n, 2)
        return self.click_probabilities(users, title) * engaged[:, self.artwork_clickbait[arms].astype(np.int64)]

    def click_probability_of(self, users: I64, artworks: I64, changed: Bool | None = None) -> F64:
        """P(click) of each visit, in the broadcast shape of users and artwork rows.

        logit = intercept + match · taste(user, theme) + appeal · appeal(title) + quality · quality + bait · [clickbait]
        - change · [changed], where the taste in a general theme is 0, and ``changed`` says on which visits the artwork is another
        one than the user saw of the title last; None is on none.
        """
        c, theme = self.constants, self.artwork_theme[artworks]
        match = np.where(theme == GENERAL, 0.0, self.tastes[users, theme])
        of_artwork = c.click_quality * self.artwork_quality[artworks] + c.click_bait * self.artwork_clickbait[artworks]
        of_title = c.click_appeal * self.title_appeal[self.artwork_title[artworks]]
        of_change = 0.0 if changed is None else -c.click_change * changed
        return _logistic(c.click_intercept + c.click_match * match + of_title + of_artwork + of_change)

    def engaged_probability_of(self, users: I64, titles: I64, clickbait: Bool) -> F64:
        """P(watched at least the engaged fraction | click) of each visit, in the arguments' broadcast shape."""
        alpha, beta = self._watch_shape(users, titles, clickbait)
        below = np.asarray(betainc(alpha, beta, self.constants.engaged_fraction), dtype=np.float64)
        return 1.0 - below

    def take_probability_of(self, users: I64, artworks: I64) -> F64:
        """P(take) of each visit, users (m,) and artwork rows (m,) to (m,)."""
        engaged = self.engaged_probability_of(users, self.artwork_title[artworks], self.artwork_clickbait[artworks])
        return self.click_probability_of(users, artworks) * engaged

    def uniform_and_best(self, users: I64, titles: I64) -> tuple[F64, F64]:
        """Expected take of each visit under the uniform policy, (m,), and under the best arm for its user, (m,)."""
        uniform, best = np.empty(len(users)), np.empty(len(users))
        for title, visits in by_title(titles):
            takes = self.take_probabilities(users[visits], title)  # (visits, k)
            uniform[visits], best[visits] = takes.mean(axis=1), takes.max(axis=1)
        return uniform, best

    def best_arms(self, users: I64, titles: I64) -> I64:
        """The arm of largest expected take on each visit, (m,); ties go to the lowest."""
        best = np.empty(len(users), dtype=np.int64)
        for title, visits in by_title(titles):
            best[visits] = self.take_probabilities(users[visits], title).argmax(axis=1)
        return best

    def respond(self, users: I64, artworks: I64, uniforms: F64, changed: Bool | None = None) -> Responses:
        """What users (m,) do on artwork rows (m,), by the inverse distributions at ``uniforms`` (m, 2) in (0, 1).

        ``changed`` (m,) as for ``click_probability_of``.
        """
        clicked = uniforms[:, 0] < self.click_probability_of(users, artworks, changed)
        on = artworks[clicked]
        shape = self._watch_shape(users[clicked], self.artwork_title[on], self.artwork_clickbait[on])
        watched = np.zeros(len(users), dtype=np.float32)
        watched[clicked] = betaincinv(*shape, uniforms[clicked, 1])
        return Responses(clicked, watched)

    def affinity_of(self, users: I64, titles: I64) -> F64:
        """What a user holds of a title, about standardised: (mean taste in its genres + bias + appeal) / √3."""
        genres = self.title_genres[titles]
        share = genres / np.maximum(genres.sum(axis=-1, keepdims=True), 1)
        taste = np.einsum("...g,...g->...", self.tastes[users], share)
        affinity: F64 = (taste + self.user_bias[users] + self.title_appeal[titles]) / np.sqrt(3.0)
        return affinity

    def select(self, users: I64, titles: I64) -> "World":
        """The world of some users and titles, both as ascending rows."""
        kept = np.flatnonzero(np.isin(self.artwork_title, titles))
        return World(
            tastes=self.tastes[users],
            user_bias=self.user_bias[users],
            title_appeal=self.title_appeal[titles],
            title_genres=self.title_genres[titles],
            artwork_title=np.searchsorted(titles, self.artwork_title[kept]).astype(np.int64),
            artwork_theme=self.artwork_theme[kept],
            artwork_quality=self.artwork_quality[kept],
            artwork_clickbait=self.artwork_clickbait[kept],
            constants=self.constants,
        )

    def save(self, path: Path) -> None:
        """Write the world as a compressed ``.npz`` without pickles; the same world is the same bytes.

        Raises:
            SurroundingsError: the disk does not take it.
        """
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        with replace_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays, **asdict(self.constants))

    @classmethod
    def load(cls, path: Path) -> "World":
        """Read a world that ``save`` wrote.

        Raises:
            InputError: the file is missing, or is not such a file.
        """
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                constants = Constants(
                    **{item.name: float(file[item.name]) for item in fields(Constants) if _is_told(item.name, file)}
                )
                arrays: dict[str, Any] = {name: file[name] for name in _ARRAYS}
        except FileNotFoundError as error:
            raise InputError(
                f"{path} is missing, and with it the simulated world; correct the path, or make it"
            ) from error
        except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise InputError(f"{path} is not a simulated world ({error}); make the workspace again") from error
        return cls(**arrays, constants=constants)

    def _watch_shape(self, users: I64, titles: I64, clickbait: Bool) -> tuple[F64, F64]:
        """Both parameters of the Beta distribution of the watched fraction: logit μ = intercept + affinity - bait."""
        c = self.constants
        affinity = self.affinity_of(users, titles)
        mean = _logistic(c.watch_intercept + c.watch_affinity * affinity - c.watch_bait * clickbait)
        return c.watch_concentration * mean, c.watch_concentration * (1.0 - mean)


def _is_told(name: str, file: Mapping[str, Any]) -> bool:
    return name != "click_change" or name in file


_ARRAYS = tuple(item.name for item in fields(World) if item.name != "constants")


def _logistic(logits: F64) -> F64:
    return np.asarray(expit(logits), dtype=np.float64)


def by_title(titles: I64) -> list[tuple[int, I64]]:
    """Each title of some visits, (m,), with the rows of its visits, ascending."""
    if not len(titles):
        return []
    order = np.argsort(titles, kind="stable")
    numbers, first = np.unique(titles[order], return_index=True)
    return list(zip(numbers.tolist(), np.split(order, first[1:]), strict=True))
