"""Breadth first through everything that can happen: the shortest history to a broken rule, or a count of states."""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)


class Model(Protocol[S]):
    """What can be searched."""

    def initial(self) -> Iterable[S]:
        """Where histories begin."""
        ...

    def moves(self, state: S) -> Iterable[tuple[str, S]]:
        """What may happen next, each with its name."""
        ...

    def broken(self, state: S) -> str | None:
        """The name of a rule that `state` breaks."""
        ...


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found. `invariant` is empty where no rule is broken; `trace` are the moves that break it."""

    states: int
    moves: int
    depth: int
    is_complete: bool
    invariant: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        size = f"{self.states:,} states, {self.moves:,} moves, depth {self.depth}"
        if not self.invariant:
            return f"{size}; {'complete' if self.is_complete else 'cut short'}; no rule is broken"
        story = "\n".join(f"{number:3} {move}" for number, move in enumerate(self.trace, 1))
        return f"broken after {len(self.trace)} moves: {self.invariant}\n{story}\n({size})"


class Search(Generic[S]):
    """One search of one model."""

    def __init__(self, model: Model[S]) -> None:
        self._model = model
        self._came_from: dict[S, tuple[S, str] | None] = {}
        self._moves = 0
        self._depth = 0

    @property
    def visited(self) -> Iterable[S]:
        """The states seen, in the order they were reached."""
        return self._came_from

    def run(self, *, limit: int) -> Searched:
        """Search until a rule breaks, all is seen, or `limit` states were."""
        queue: deque[tuple[S, int]] = deque()
        for state in self._model.initial():
            if (name := self._visit(state, None)) is not None:
                return self.found(state, name)
            queue.append((state, 0))
        while queue and len(self._came_from) < limit:
            state, self._depth = queue.popleft()
            for label, following in self._model.moves(state):
                self._moves += 1
                if following in self._came_from:
                    continue
                if (name := self._visit(following, (state, label))) is not None:
                    return self.found(following, name)
                queue.append((following, self._depth + 1))
        return Searched(len(self._came_from), self._moves, self._depth, not queue)

    def found(self, state: S, invariant: str) -> Searched:
        """The history that leads to `state`."""
        trace: list[str] = []
        step = self._came_from[state]
        while step is not None:
            trace.append(step[1])
            step = self._came_from[step[0]]
        return Searched(len(self._came_from), self._moves, self._depth, False, invariant, tuple(reversed(trace)))

    def _visit(self, state: S, step: tuple[S, str] | None) -> str | None:
        self._came_from[state] = step
        return self._model.broken(state)
