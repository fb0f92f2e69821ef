"""Has this process die, or stand still, at a point of `agent_swarm.faults`."""

import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent_swarm import faults
from agent_swarm.faults import Leaving, Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """The `nth` time that `point` is reached is the last. Or the process stands still there, until it is told to go on.

    With `armed_by`, a path, passages count from when that file is there. `told` is the file in which a process writes
    down that it got there.
    """

    point: Point
    nth: int = 1
    stands_still: bool = False
    armed_by: str = ""
    told: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is handed to another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, sent: dict[str, Any]) -> "Crash":
        """What another process handed over."""
        return cls(**{**sent, "point": Point(sent["point"])})

    def arm(self) -> None:
        """Have it happen in this process."""
        faults.watch(_Watch(self))


class _Watch:
    """Counts passages. Meets `faults.Watcher`."""

    def __init__(self, crash: Crash) -> None:
        self._crash = crash
        self._left = crash.nth

    def __call__(self, point: str, leaving: Leaving | None) -> None:
        crash = self._crash
        if point != crash.point or self._left <= 0 or (crash.armed_by and not Path(crash.armed_by).exists()):
            return
        self._left -= 1
        if self._left:
            return
        if crash.told:
            with Path(crash.told).open("a", encoding="utf-8") as file:
                file.write(f"{point}\n")
        if crash.stands_still:
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if leaving is not None:
            leaving()
        os.kill(os.getpid(), signal.SIGKILL)
