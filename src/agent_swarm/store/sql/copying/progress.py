"""How far a copy is, told to whoever watches."""

from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """What is being done."""

    CHECK = "check"
    COPY = "copy"
    INDEX = "index"
    VERIFY = "verify"


class Progress(Protocol):
    """Called often, from the thread that copies; has to be quick."""

    def __call__(self, phase: Phase, table: str, done: int, total: int) -> None: ...


def silent(phase: Phase, table: str, done: int, total: int) -> None:
    """Nobody watches."""
