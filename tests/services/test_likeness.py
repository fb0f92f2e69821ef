"""Which vectors are alike, and how rankings become one."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_swarm.domain.fusion import fused
from agent_swarm.services.embedding.likeness import nearest, packed

VECTORS = st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3)


def cosine(one: list[float], other: list[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths


@settings(deadline=None)
@given(VECTORS.filter(lambda vector: math.hypot(*vector) > 1e-3), st.lists(VECTORS, max_size=20))
def test_given_vectors_when_the_nearest_are_looked_for_then_they_are_those_of_the_cosine(
    wanted: list[float], others: list[list[float]]
) -> None:
    others = [vector for vector in others if math.hypot(*vector) > 1e-3]
    found = nearest(packed(wanted), [(number, packed(one)) for number, one in enumerate(others)], floor=0.5, limit=5)
    likenesses = {number: cosine(wanted, vector) for number, vector in enumerate(others)}
    assert len(found) <= 5
    assert all(likenesses[number] >= 0.5 - 1e-5 for number in found)
    left = [likeness for number, likeness in likenesses.items() if number not in found and likeness >= 0.5 + 1e-5]
    assert not left or len(found) == 5
    assert all(a >= b - 1e-5 for a, b in zip(map(likenesses.get, found), map(likenesses.get, found[1:]), strict=False))  # type: ignore[operator]
    assert not found or max(left, default=-1.0) <= min(likenesses[number] for number in found) + 1e-5


@pytest.mark.parametrize("vector", [[], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_given_a_vector_without_a_direction_then_it_is_like_nothing(vector: list[float]) -> None:
    assert packed(vector) == ""
    assert nearest(packed(vector), [(1, packed([1.0, 0.0]))], floor=-1, limit=5) == []
    assert nearest(packed([1.0, 0.0]), [(1, packed(vector))], floor=-1, limit=5) == []


def test_given_vectors_of_another_length_then_they_are_left_out() -> None:
    kept = [(1, packed([1.0])), (2, packed([1.0, 0.0])), (3, packed([1.0, 0.0, 0.0]))]
    assert nearest(packed([1.0, 0.0]), kept, floor=0, limit=5) == [2]


def test_given_rankings_when_they_are_fused_then_what_is_in_both_comes_first_and_ties_go_to_the_first() -> None:
    assert list(fused(["a", "b", "c"], ["c", "d"])) == ["c", "a", "b", "d"]
    assert list(fused(["a"], ["b"])) == ["a", "b"]
    assert list(fused([], ["b", "a"])) == ["b", "a"]
    assert list(fused()) == []
