"""Several rankings of the same things as one: what stands high in more than one of them comes first."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

_FLATNESS = 60  # of reciprocal rank fusion: how little the first places differ (Cormack et al., 2009)


def fused(*rankings: Iterable[T]) -> Sequence[T]:
    """All that the rankings hold, best first; of equals, what an earlier ranking had first. Each holds a thing once."""
    scores: dict[T, float] = defaultdict(float)
    for ranking in rankings:
        for place, thing in enumerate(ranking, 1):
            scores[thing] += 1 / (_FLATNESS + place)
    return sorted(scores, key=lambda thing: -scores[thing])
