"""Nodes of a swarm as the tests see them: a bus with an ear on it, and transcripts with their files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_swarm.bus.nats.link import Link
from agent_swarm.bus.nats.notices import NatsBus
from agent_swarm.bus.nats.settings import settings_from
from agent_swarm.bus.nats.transcripts import NatsLogs
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.transcripts import Transcripts
from agent_swarm.testing.bus_contract import Ear
from agent_swarm.testing.waiting import until

TASK = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
NOW = 1_800_000_000_000_000


def bus_at(url: str, cluster: str, node: str, limit: int = 1024) -> NatsBus:
    """A bus with a link of its own, not open yet."""
    return NatsBus(Link(settings_from(url), name=node), cluster=cluster, node=node, limit=limit)


async def listening(url: str, cluster: str, node: str, limit: int = 1024) -> Ear[NatsBus]:
    """A node that hears the others."""
    bus = bus_at(url, cluster, node, limit)
    ear = Ear(node, bus)
    await bus.open(ear.hear)
    return ear


@dataclass
class Node:
    """A server's transcripts, with their files and their way to the others."""

    folder: Path
    logs: NatsLogs
    transcripts: Transcripts

    @classmethod
    async def opened(cls, url: str, cluster: str, folder: Path, *, link: Link | None = None, **options: Any) -> "Node":
        """At work, with what an earlier one left in `folder`."""
        link = link or Link(settings_from(url), name=folder.name)
        logs = NatsLogs(link, cluster=cluster, folder=folder / "nats")
        transcripts = Transcripts(folder / "transcripts", Redactor(["a-secret-value"]), logs=logs, **options)
        await logs.open(transcripts)
        return cls(folder, logs, transcripts)

    async def close(self) -> None:
        """As a server that ends in good order."""
        await self.logs.close()

    async def append(self, first: int, *texts: str, attempt: int = 1) -> int:
        """What a worker sends."""
        lines = [{"at": "2026-11-20T18:44:35.000Z", "kind": "text", "data": {"text": text}} for text in texts]
        return await self.transcripts.append(TASK, attempt, first, lines, now=NOW)

    def file(self, attempt: int = 1) -> bytes:
        """What is on this node's disk."""
        path = self.folder / "transcripts" / TASK / f"{attempt}.jsonl"
        return path.read_bytes() if path.exists() else b""

    def texts(self, attempt: int = 1) -> list[str]:
        """The whole lines on this node's disk."""
        return [json.loads(line)["data"]["text"] for line in self.file(attempt).split(b"\n")[:-1]]

    def unsent(self) -> list[str]:
        """The marks of what is not shared."""
        return sorted(path.name for path in (self.folder / "nats" / "unsent").iterdir())

    async def has(self, *texts: str, attempt: int = 1, within: float = 10.0) -> None:
        """Wait until the file holds these lines and no others."""
        await until(lambda: self.texts(attempt) == list(texts), within)

    async def has_sent_all(self, within: float = 10.0) -> None:
        """Wait until nothing is left to share."""
        await until(lambda: not self.unsent(), within)
