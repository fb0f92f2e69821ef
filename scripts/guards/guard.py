"""What a guard is, for the table of those that are taken away."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard. `tests` are what pytest is given, without those marked slow unless `is_slow`: they need PostgreSQL."""

    name: str
    path: str
    source: str
    mutant: str
    tests: tuple[str, ...]
    is_slow: bool = False
