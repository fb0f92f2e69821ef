"""The files of a conversation, in the state folder of its run: they go with it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agent_swarm.harness.base import Turn


@dataclass(frozen=True, slots=True)
class Home:
    """Where they are: `path` is ours, and only read by the agent, `config` is the CLI's."""

    path: Path
    config: Path

    @classmethod
    def of(cls, turn: Turn, name: str) -> Self:
        """Of the harness `name`; what the CLI keeps of its conversations, in the part that it may write."""
        return cls(turn.state_dir / name, turn.agent_dir / name)

    @property
    def meter(self) -> Path:
        """What the conversation has used so far."""
        return self.path / "usage.json"

    def prepare(self) -> None:
        """Make the folders, for nobody else's eyes."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config.mkdir(mode=0o700, parents=True, exist_ok=True)

    def saved_meter(self) -> Any:
        """The JSON of the meter; None where there is none that can be read."""
        try:
            return json.loads(self.meter.read_bytes())
        except (OSError, ValueError):
            return None

    def save_meter(self, totals: Mapping[str, Any]) -> None:
        """Keep it with the conversation."""
        write(self.meter, totals)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """JSON, whole or not at all, readable by its owner alone."""
    write_text(path, json.dumps(content))


def write_text(path: Path, content: str) -> None:
    """A file, whole or not at all, readable by its owner alone."""
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    draft.replace(path)
