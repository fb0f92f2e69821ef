"""What everybody uses who stores, shows or sends on what agents say."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from agent_swarm.redaction import shapes
from agent_swarm.redaction.known import KnownValues
from agent_swarm.redaction.stream import MARK, Stream

DEEPEST_JSON = 200  # levels that are looked into: what the JSON parser of the edge accepts, too


class Redactor:
    """Replaces secrets by `[redacted]`: known values in every usual form, and credentials of well-known shape.

    One per process knows what the process knows. `register` tells it more, for everybody who has it; `also` makes one
    that knows more, such as the secrets of one attempt, and hears of what is registered later.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._known: tuple[KnownValues, ...] = (KnownValues(values),)

    def register(self, values: Iterable[str]) -> None:
        """Take these out, too, from now on. Values shorter than `SHORTEST` are not looked for."""
        self._known[-1].register(values)

    def also(self, *values: str) -> Self:
        """One that knows `values` besides."""
        redactor = type(self)(values)
        redactor._known = (*self._known, *redactor._known)
        return redactor

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if not text or not (any(known.spans(text) for known in self._known) or shapes.hits_in(text)):
            return text
        return self.stream().end(text)

    def stream(self) -> Stream:
        """For a text that comes in pieces."""
        return Stream(self._known)

    def value(self, value: Any, *, depth: int = 0) -> Any:
        """A JSON value without secrets, in keys as in values; what is nested too deeply to be checked is left out."""
        if isinstance(value, str):
            return self.text(value)
        if depth >= DEEPEST_JSON and isinstance(value, Mapping | list | tuple):
            return MARK
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item, depth=depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item, depth=depth + 1) for item in value]
        return value
