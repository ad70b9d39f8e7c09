"""How many events wait for the next night."""

from artwork.web.live import Waiting


def test_events_wait_until_a_generation_is_served_that_learned_from_them() -> None:
    waiting = Waiting()
    waiting.serves(4)
    assert waiting.count(0) == 0
    assert waiting.count(70) == 70
    waiting.streams_are_empty(70)
    assert waiting.count(70) == 70
    waiting.serves(5)
    assert waiting.count(70) == 0
    assert waiting.count(75) == 5


def test_events_that_came_after_the_streams_were_emptied_wait_for_the_next_night() -> None:
    waiting = Waiting()
    waiting.serves(4)
    waiting.streams_are_empty(70)
    waiting.serves(5)
    assert waiting.count(90) == 20


def test_a_roll_back_and_its_end_learn_nothing() -> None:
    waiting = Waiting()
    waiting.serves(4)
    waiting.serves(5)
    waiting.streams_are_empty(30)
    for generation in (4, None, 5, 4, 5):
        waiting.serves(generation)
        assert waiting.count(40) == 40


def test_the_generation_that_is_served_at_the_start_is_no_night() -> None:
    waiting = Waiting()
    waiting.streams_are_empty(10)
    waiting.serves(None)
    waiting.serves(9)
    assert waiting.count(12) == 12
