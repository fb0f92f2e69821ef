"""The files of a conversation, in the state folder of its run: they go with it."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agent_swarm.harness.base import Turn

_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EPERM)  # what an agent has put in the place of a file


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


def write_for_agent(root: Path, folder: str, name: str, content: str) -> None:
    """A file in a folder of what the agent may write, while no process of it runs.

    The agent may have put links there: none is followed, and where one stands in the place of a folder nothing is
    written.
    """
    try:
        with _opened(root) as outer:
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700, dir_fd=outer)
            with _opened(folder, outer) as inner:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=inner)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(name, flags, 0o600, dir_fd=inner), "w", encoding="utf-8") as file:
                    file.write(content)
    except OSError as exc:
        if exc.errno not in _IN_THE_WAY:
            raise


@contextmanager
def _opened(folder: Path | str, within: int | None = None) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
