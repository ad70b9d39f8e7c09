"""What users without a row are shown, in a simulated world: a segment's artworks are above popularity's."""

import pytest
from benchmarks.new_users import first_sessions


@pytest.mark.simulations
@pytest.mark.parametrize("seed", [301, 302])
def test_new_users_take_more_of_what_a_segment_shows_than_of_what_is_popular(seed: int) -> None:
    played = first_sessions(seed, n_users=3000, n_titles=20, days=2, visits=150_000)
    assert played.segments > 20
    assert played.low > 0, played
    assert played.uniform < played.popularity < played.segment < played.best
