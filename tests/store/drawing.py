"""What histories draw."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st


def some_of(population: Sequence[Any], least: int) -> st.SearchStrategy[list[Any]]:
    """A few, each once; none where there is nothing to choose from."""
    if not population:
        return st.just([])
    return st.lists(st.sampled_from(population), min_size=least, max_size=4, unique=True)
