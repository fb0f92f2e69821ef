"""How much is measured."""

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scale:
    """The whole measurement, or the quick one that shows that every benchmark still works."""

    is_quick: bool

    def of(self, whole: T, quick: T) -> T:
        """The one that applies."""
        return quick if self.is_quick else whole
