import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.episodes.near_duplicates import near_groups, near_pairs
from mobile_vla.episodes.splits import SplitCandidate, assign_splits

SIDES = st.sampled_from(["left", "right"])
SCENES = st.sampled_from(["room", "hall", None])


DIRECTIONS = st.lists(SIDES, max_size=60)


def assigned(directions: list[str], seed: int) -> list[str]:
    """Splits where no two look alike."""
    return assign_splits(
        [SplitCandidate(direction, i) for i, direction in enumerate(directions)], seed
    )


@given(DIRECTIONS, DIRECTIONS, st.integers(0, 1000))
def test_later_episodes_move_no_earlier_one(first, later, seed) -> None:
    before = assigned(first, seed)
    assert assigned(first + later, seed)[: len(first)] == before


@given(st.permutations(["left"] * 20 + ["right"] * 10), st.integers(0, 1000))
def test_one_in_five_of_each_direction_validates(directions, seed) -> None:
    splits = assigned(directions, seed)
    for direction in ("left", "right"):
        own = [s for d, s in zip(directions, splits, strict=True) if d == direction]
        for start in range(0, len(own), 5):
            assert own[start : start + 5].count("val") == 1


def test_the_seed_matters_to_the_split() -> None:
    splits = {tuple(assigned(["left"] * 50, seed)) for seed in range(5)}
    assert len(splits) == 5


@st.composite
def arrivals(draw) -> list[SplitCandidate]:
    found: list[SplitCandidate] = []
    for index in range(draw(st.integers(0, 40))):
        leaders = [i for i, a in enumerate(found) if a.group == i]
        alone = not leaders or draw(st.booleans())
        group = index if alone else draw(st.sampled_from(leaders))
        found.append(SplitCandidate(draw(SIDES), group, draw(SCENES)))
    return found


@given(arrivals(), st.integers(0, 99))
def test_near_duplicates_are_on_one_side(found, seed) -> None:
    splits = assign_splits(found, seed)
    assert all(splits[i] == splits[a.group] for i, a in enumerate(found))


@given(arrivals(), arrivals(), st.integers(0, 99))
def test_what_is_kept_stays_whatever_comes(first, later, seed) -> None:
    from dataclasses import replace

    before = assign_splits(first, seed)
    kept = [replace(a, previous=s) for a, s in zip(first, before, strict=True)]
    later = [replace(a, group=a.group + len(first)) for a in later]
    assert assign_splits(kept + later, seed)[: len(first)] == before


@given(
    st.lists(st.tuples(SIDES, st.sampled_from(["room", "hall"])), max_size=60), st.integers(0, 99)
)
def test_each_scene_that_has_enough_validates_one_in_five(pairs, seed) -> None:
    found = [SplitCandidate(side, i, scene) for i, (side, scene) in enumerate(pairs)]
    splits = assign_splits(found, seed)
    for side in ("left", "right"):
        for scene in ("room", "hall"):
            own = [
                s
                for a, s in zip(found, splits, strict=True)
                if (a.direction, a.scene) == (side, scene)
            ]
            if len(own) >= 5:
                assert len(own) // 5 <= own.count("val") <= -(-len(own) // 5)


def test_a_new_near_duplicate_goes_to_the_kept_ones_side() -> None:
    for side in ("train", "val"):
        found = [SplitCandidate("left", 0, previous=side), SplitCandidate("left", 0)]
        assert assign_splits(found, 1) == [side, side]


def test_near_means_re_encoded_or_trimmed_and_not_merely_alike() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(20, 230, (18, 16, 16)).astype(np.uint8)
    noisy = (one.astype(int) + rng.integers(-2, 3, one.shape)).astype(np.uint8)
    trimmed = one[1:]
    other = rng.integers(20, 230, (18, 16, 16)).astype(np.uint8)
    brighter = (one.astype(int) + 12).astype(np.uint8)
    assert near_groups([one, other, noisy, trimmed, brighter]) == [0, 1, 0, 0, 4]
    assert {(i, j) for i, j, _ in near_pairs([one, other, noisy])} == {(0, 2)}
    assert near_pairs([]) == []
