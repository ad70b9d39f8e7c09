"""Tastes that move, by a press or on a day that was planned: one mark, and one order of genres after the other."""

from typing import Final

from artwork.demo.board import Board
from artwork.demo.pressing.words import closed_words, moved_words
from artwork.demo.tastes import order_of_genres
from artwork.web.stage import Mark
from bandit.arrays import I64

KIND: Final = "shift-taste"
"""Of the press, and of the marks that it leaves."""


def mark_shift(board: Board, count: int, seed: int) -> tuple[Mark, I64]:
    """Mark on the time line that tastes move, to which the next day adds what it came to.

    Args:
        board: which has the time line; tastes move on with each mark of the kind.
        count: of genres.
        seed: of the demo.

    Returns:
        The mark, and the order of genres.
    """
    genres = order_of_genres(count, seed, sum(mark.kind == KIND for mark in board.marks))
    mark = board.mark(KIND, moved_words(genres))
    board.tell_by_day(mark, closed_words)
    return mark, genres
