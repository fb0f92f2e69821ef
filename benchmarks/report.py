"""Rows, the table people read, and the file machines read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

COLUMNS = ("name", "value", "unit", "bound", "ratio", "holds")
_HOLDS = {True: "yes", False: "NO", None: ""}


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value has to keep to."""

    sense: Literal["≤", "≥"]
    limit: float

    def holds(self, value: float) -> bool:
        """Whether `value` keeps to it."""
        return value <= self.limit if self.sense == "≤" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.sense} {self.limit:,g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. `ratio` compares it with its reference in the same run; README.md says with what."""

    name: str
    value: float
    unit: str
    bound: str | None = None
    ratio: float | None = None
    holds: bool | None = None


def row(name: str, value: float, unit: str, bound: Bound | None = None, *, ratio: float | None = None) -> Row:
    """A row, judged. Without a bound it is there to explain the others."""
    return Row(
        name=name,
        value=_rounded(value),
        unit=unit,
        bound=None if bound is None else str(bound),
        ratio=None if ratio is None else _rounded(ratio),
        holds=None if bound is None else bound.holds(value),
    )


def at_most(limit: float) -> Bound:
    """The value may be this large."""
    return Bound("≤", limit)


def at_least(limit: float) -> Bound:
    """The value has to be this large."""
    return Bound("≥", limit)


def table(rows: Sequence[Row]) -> str:
    """The rows in columns."""
    lines = [COLUMNS, *(_cells(one) for one in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in (1, 4) else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write(path: Path, rows: Sequence[Row], machine: Mapping[str, Any]) -> None:
    """Keep the rows, and the machine they were measured on."""
    content = {"machine": machine, "rows": [asdict(one) for one in rows]}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _cells(one: Row) -> tuple[str, ...]:
    ratio = "" if one.ratio is None else f"{one.ratio:,.3g}"
    return (one.name, f"{one.value:,g}", one.unit, one.bound or "", ratio, _HOLDS[one.holds])


def _rounded(value: float) -> float:
    """Three figures are more than a shared machine is good for; whole numbers stay whole."""
    return float(f"{value:.3g}") if abs(value) < 1000 else float(round(value))
