"""A recording: one file of JSON lines, for nobody's eyes but the worker's user's.

    {"k": "head", …}                                   what the run was, and how to begin it again
    {"k": "lent", "variables"}                         where the credential stood with which the agent began, or went on
    {"k": "exchange", "n", "route", …}                 a request and its answer; numbers in the order of arrival
    {"k": "event", "kind", "data"}                     what the harness made of it
    {"k": "end", "ok", "tree"}                         the files at the end

Headers of requests are never kept, whatever they are called, and everything else is redacted as transcripts are.
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.redaction import Redactor
from agent_swarm.worker.replay.bodies import kept_answer, kept_request
from agent_swarm.worker.replay.routes import is_mcp
from agent_swarm.worker.replay.telling import Telling

log = structlog.get_logger(__name__)

FILE = "recording.jsonl"
VERSION = 1
MOST_BYTES = 128 * 1024 * 1024  # of one recording; requests repeat the whole conversation, so they add up
KEPT_HEADERS = frozenset({"content-type", "mcp-session-id", "mcp-protocol-version", "x-should-retry"})
_OF_LIMITS = ("retry-after", "anthropic-ratelimit-", "x-codex-")  # by them CLIs decide whether to ask again


class RecordingDamaged(SwarmError):
    """A recording cannot be replayed: it is cut, or of another version."""

    code = "recordingDamaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer. `request` is JSON where it was; `is_whole`: the answer is all there."""

    n: int
    route: str
    method: str
    path: str
    request: Any
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    is_whole: bool = True
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is needed to begin the run again; paths are those of the recorded run.

    Variables without a value are secrets.
    """

    task_id: str
    attempt: int
    harness: str
    prompt: str
    opening: Mapping[str, str]  # `messages`, `context` and `answers` of the turn
    workspace: str
    state_dir: str
    env: Mapping[str, str | None]
    permissions: Mapping[str, Any]
    bounds: Mapping[str, Any]
    routes: Mapping[str, str]  # name to the real address
    tree: Mapping[str, str]  # the files at the beginning
    model: str | None = None
    system_prompt: str | None = None
    is_isolated: bool = False  # by the sandbox: its profile may count on that
    goes_on: bool = False  # in the conversation of an earlier attempt, which is not in the recording
    identity: Mapping[str, str] = field(default_factory=dict)
    project_id: str = ""
    project_url: str = ""  # without credentials
    default_branch: str | None = None
    commit: str = ""  # that the run starts at
    unrecorded: tuple[str, ...] = ()  # MCP servers that are not reached by HTTP
    version: int = VERSION


class Tape:
    """A recording that is being made. What cannot be written is missed, and costs the attempt nothing.

    An agent CLI that takes over from another one has a file of its own.
    """

    def __init__(self, folder: Path, redactor: Redactor, *, most_bytes: int = MOST_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = _new_in(folder)
        self._redactor = redactor
        self._telling = Telling(redactor)
        self._lock = threading.Lock()
        self._most = most_bytes
        self._size = 0
        self._numbers = 0
        self._is_cut = False
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def begin(self, head: Head) -> None:
        """The first line."""
        self._write("head", self._redactor.value(asdict(head)))

    def lent(self, variables: Sequence[str]) -> None:
        """The agent is begun, or begun again, with credentials in these variables."""
        self._write("lent", {"variables": list(variables)})

    def number(self) -> int:
        """Of the next request."""
        self._numbers += 1
        return self._numbers

    def exchange(self, exchange: Exchange, request: bytes, answer: bytes) -> None:
        """A request with its answer, once that is over. Blocks; any thread may call it."""
        body, is_safe = kept_answer(answer, self._redactor)
        kept = {
            **asdict(exchange),
            "path": self._redactor.text(exchange.path),
            "request": kept_request(request, self._redactor),
            "headers": {name: value for name, value in exchange.headers.items() if _is_kept(name)},
            "body": body,
            "is_whole": exchange.is_whole and is_safe,
        }
        self._write("exchange", kept)

    def event(self, event: AgentEvent) -> None:
        """What the harness told."""
        for told in self._telling.feed(event):
            self._tell(told)

    def end(self, *, ok: bool, tree: Mapping[str, str]) -> None:
        """The last line; where the agent was begun again, the last of them counts.

        Without it a recording is of a run that did not come to an end.
        """
        for told in self._telling.rest():
            self._tell(told)
        self._write("end", {"ok": ok, "tree": self._redactor.value(tree)})

    def close(self) -> None:
        """Nothing more will come; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _tell(self, event: AgentEvent) -> None:
        self._write("event", {"kind": event.kind.value, "data": event.data})

    def _write(self, kind: str, content: Mapping[str, Any]) -> None:
        text = json.dumps({"k": kind, **content}, ensure_ascii=False, separators=(",", ":"))
        line = text.encode("utf-8", "replace") + b"\n"
        with self._lock:
            if self._fd >= 0 and not self._is_cut:
                self._add(line)

    def _add(self, line: bytes) -> None:
        if self._size + len(line) > self._most:
            self._is_cut = True
            log.warning("recording_cut", path=str(self.path), bytes=self._size)
            return
        try:
            rest = line
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            self._size += len(line)
        except OSError as exc:
            self._is_cut = True
            os.ftruncate(self._fd, self._size)  # half a line would spoil the rest
            log.warning("recording_cut", path=str(self.path), reason=exc.strerror)


def _is_kept(name: str) -> bool:
    return name in KEPT_HEADERS or name.startswith(_OF_LIMITS)


def _new_in(folder: Path) -> Path:
    path, number = folder / FILE, 1
    while path.exists():
        number += 1
        path = (folder / FILE).with_stem(f"{Path(FILE).stem}-{number}")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording that was made; `tree` is None where the run did not come to an end.

    `lent`: for each time that the agent was begun, the variables that its credentials stood in.
    """

    path: Path
    head: Head
    exchanges: tuple[Exchange, ...]  # in the order of arrival
    events: tuple[AgentEvent, ...]
    tree: Mapping[str, str] | None
    lent: tuple[tuple[str, ...], ...] = ()

    @property
    def others(self) -> list[Path]:
        """The recordings of agent CLIs that took over."""
        return [path for path in sorted(self.path.parent.glob(f"{Path(FILE).stem}-*.jsonl")) if path != self.path]

    @property
    def steps(self) -> tuple[Exchange, ...]:
        """The requests to models."""
        return tuple(one for one in self.exchanges if not is_mcp(one.route))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises RecordingDamaged, or OSError where it cannot be read."""
        lines: dict[str, list[dict[str, Any]]] = {"head": [], "exchange": [], "event": [], "end": [], "lent": []}
        try:
            with path.open("rb") as file:
                for line in file:
                    value = json.loads(line)
                    lines[value.pop("k")].append(value)
            head = Head(**lines["head"][0])
            exchanges = sorted((Exchange(**one) for one in lines["exchange"]), key=lambda one: one.n)
            events = tuple(AgentEvent(EventKind(one["kind"]), one["data"]) for one in lines["event"])
            lent = tuple(tuple(one["variables"]) for one in lines["lent"])
        except (ValueError, KeyError, TypeError, IndexError) as exc:
            raise RecordingDamaged(
                f"{path} cannot be replayed: {exc}", hint=f"expected a whole recording of version {VERSION}"
            ) from exc
        if head.version != VERSION:
            raise RecordingDamaged(f"{path} is of version {head.version}, expected {VERSION}", hint="record it again")
        return cls(
            path=path,
            head=head,
            exchanges=tuple(exchanges),
            events=events,
            tree=lines["end"][-1]["tree"] if lines["end"] else None,
            lent=lent,
        )
