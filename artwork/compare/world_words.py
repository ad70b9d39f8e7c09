"""Words and dials of a world on the command line."""

from bandit.errors import InputError
from bandit.policies import Policy
from bandit.simulation.seasons.season import HOURS_A_DAY
from batch.offline.judged_policies import parse_policies


def parse_learners(text: str) -> list[tuple[str, Policy]]:
    """Policies that can learn on the way, by their words.

    Raises:
        InputError: a word is not known, or stands for what does not learn from the log of a world.
    """
    learners = []
    for wanted in parse_policies(text):
        if wanted.policy is None:
            raise InputError(
                f"--policies names {wanted.word}, which has probabilities of its own; in a world expected policies that turn"
                " scores into probabilities: words as for artwork run, or module:Class of a bandit.policies.Policy"
            )
        learners.append((wanted.word, wanted.policy))
    return learners


def parse_words(option: str, text: str) -> list[str]:
    """The words of an option, with commas between.

    Raises:
        InputError: there is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise InputError(f"{option} is {text!r}, expected words with commas between")
    return words


def parse_hours(option: str, text: str) -> tuple[int, ...]:
    """Hours from their text, ``24,48``, ascending with 0 before them.

    Raises:
        InputError: one is no whole number of at least 0.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if not word.isdecimal():
            raise InputError(f"{option} has {word!r}, expected whole numbers of hours, at least 0, as in 0,24,48")
    return (0, *sorted({int(word) for word in words} - {0}))


def usual_ages(days: int, cadence_hours: int) -> tuple[int, ...]:
    """Fresh picks, and those of about one day and two in whole cadences, as far as the days allow.

    >>> usual_ages(14, 10), usual_ages(2, 24)
    ((0, 30, 60), (0, 24))
    """
    if cadence_hours < 1:
        return (0,)  # the season refuses such a cadence, by its name
    day = -(-HOURS_A_DAY // cadence_hours) * cadence_hours
    return tuple(hours for hours in (0, day, 2 * day) if hours <= days * HOURS_A_DAY - cadence_hours)


def usual_arrival(days: int, explore_days: int) -> int:
    """Some live days before new artworks, and twice as many after: the first third of the live days.

    >>> usual_arrival(14, 4)
    7
    """
    return explore_days + max(days - explore_days, 0) // 3
