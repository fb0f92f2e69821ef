"""What every load has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A load on one server. `pid` is the server's, to look at its memory and processor time."""

    port: int
    key: str
    pid: int

    async def run(self) -> Mapping[str, Any]:
        """Bring it on; answers what was found."""
        raise NotImplementedError
