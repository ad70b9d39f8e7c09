"""What the page asks of a workspace, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from artwork.web.catalogue import MOST_USERS, Shelf, Shelves, ShownArtwork, ShownTitle, shown_titles
from artwork.web.days import Days, TitleDay
from artwork.web.explaining import told
from artwork.web.figures.calibration import Calibration
from artwork.web.gates import Gates
from artwork.web.generations import Generations
from artwork.web.kept import NotFoundError, NotReadyError
from artwork.web.rows import Row, rows_of
from artwork.web.stage import Stage
from artwork.web.truth import Truth
from bandit.errors import InputError, SurroundingsError
from batch.choosing.explain import explain

MOST_FOUND = MOST_USERS


class PageData:
    """Reads the workspace of a stage; every file once until it changes, and the last good ones while a night writes."""

    def __init__(self, stage: Stage, image_hosts: Sequence[str]) -> None:
        self._stage, self._image_hosts = stage, image_hosts
        self._shelves = Shelves(stage.workspace)
        self.days = Days(stage.workspace)
        self.generations = Generations(stage.workspace)
        self.gates = Gates(stage.workspace)
        self.calibration = Calibration(stage.workspace, self.days)
        self._lock = Lock()
        self._shown: tuple[Shelf, bool, list[ShownTitle]] | None = None

    def shelf(self) -> Shelf:
        """The tables.

        Raises:
            NotReadyError: there are none yet.
        """
        return self._shelves.get()

    def truth(self, shelf: Shelf) -> Truth | None:
        """What the world knows, if anybody does."""
        return Truth.of(self._stage.world, shelf)

    def catalogue(self) -> dict[str, Any]:
        """Every title with its artworks, under the overlay's newest revision."""
        shelf, titles = self._titles()
        return {"revision": shelf.overlay.revision, "titles": titles}

    def artwork(self, title_id: str, artwork_id: str) -> tuple[ShownArtwork, Mapping[str, Any]]:
        """An artwork, and the row of its title.

        Raises:
            NotFoundError: there is no such title or artwork.
        """
        shelf, titles = self._titles()
        row = shelf.title(title_id)
        title = next(title for title in titles if title.title_id == title_id)
        for artwork in title.artworks:
            if artwork.artwork_id == artwork_id:
                return artwork, row
        raise NotFoundError(f"Title {title_id} has no artwork {artwork_id!r}.")

    def rows(self, user_id: str) -> list[Row]:
        """The rows of a user."""
        shelf = self.shelf()
        try:
            days = self.days.get()
            taken = self.days.taken_by(user_id)
        except (
            NotReadyError,
            InputError,
            SurroundingsError,
            OSError,
        ):  # a page without what is popular is better than none
            days, taken = [], []
        return rows_of(shelf, days, user_id, taken)

    def explanation(self, user_id: str, title_id: str, generation: int | None, served: int | None) -> dict[str, Any]:
        """Why a user sees an artwork: in a generation, else in the served one, else in the newest.

        Raises:
            NotFoundError: there is no such title or generation, or the generation does not know the title.
            NotReadyError: there are no picks yet.
        """
        shelf = self.shelf()
        shelf.title(title_id)
        made = [number for number, own in self.generations.manifests().items() if own.stage == "precomputed"]
        if not made:
            raise NotReadyError("No generation has picks yet.")
        if generation is not None and generation not in made:
            raise NotFoundError(f"There is no generation {generation} with picks in this workspace.")
        number = generation or (served if served in made else made[-1])
        try:
            explanation = explain(self._stage.workspace, user_id, title_id, number, anybody=True, overlay=shelf.overlay)
        except InputError as error:
            raise NotFoundError(str(error)) from error
        current = served if served in made else None
        return told(self._stage.workspace, replace(explanation, current=current), self.truth(shelf))

    def history(self, title_id: str) -> list[TitleDay]:
        """A title's days.

        Raises:
            NotFoundError: there is no such title.
        """
        self.shelf().title(title_id)
        return self.days.title(title_id)

    def _titles(self) -> tuple[Shelf, list[ShownTitle]]:
        """The shelf, and its titles as they are shown: made once of each shelf, and once more when its truth is known."""
        shelf = self.shelf()
        truth = self.truth(shelf)
        with self._lock:
            if self._shown is None or self._shown[0] is not shelf or self._shown[1] != (truth is not None):
                titles = shown_titles(shelf, self._image_hosts, None if truth is None else truth.clickbait)
                self._shown = shelf, truth is not None, titles
            return shelf, self._shown[2]
