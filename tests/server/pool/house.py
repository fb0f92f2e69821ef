"""A real server on a loopback port, with the worker face alone, and clients that speak the worker protocol."""

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import httpx2
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agent_swarm.domain.commands import Cancel, Command, RequestPause
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol import pool as protocol
from agent_swarm.protocol.limits import FRAME_BYTES
from agent_swarm.server.access import Door, guard_routes
from agent_swarm.server.app import ControlPlane
from agent_swarm.server.auth import Authenticator
from agent_swarm.server.context import Context
from agent_swarm.server.denials import Denials
from agent_swarm.server.killing.board import SwitchBoard
from agent_swarm.server.listening import listen
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.peers import Peers
from agent_swarm.server.pool import PoolContext, routes
from agent_swarm.server.rates import RateLimits
from agent_swarm.server.stopping import Stopping
from agent_swarm.services.environments import Environments
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.signing_keys import SigningKeys
from agent_swarm.services.tokens import api_key_token, authenticate, hash_token
from agent_swarm.services.transcripts import Transcripts
from agent_swarm.store.base import Committed, Queries, Seer
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.clock import ServerClock
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.operations import (
    CreateProject,
    CreateTasks,
    NewTask,
    Operation,
    PutToken,
    RunTimers,
    TaskCommand,
)
from agent_swarm.store.records import AttemptRecord, Edge, ProjectRecord, TaskRecord, TaskSpec
from agent_swarm.vault.backends.errors import SecretNotFound
from agent_swarm.vault.backends.references import Reference
from agent_swarm.vault.backends.resolver import SecretResolver

R = TypeVar("R")

API_KEY = "operator-key-of-the-tests"
SECRET = "hunter2-and-some-more"
PATIENCE = 10.0


class ManualTime:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.micros = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.micros

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.micros += int(seconds * SECOND)


class HaltingStore:
    """The store in memory; operations of chosen kinds stop on their way there, or their answers on their way back."""

    def __init__(self, inner: BatchingStore) -> None:
        self.inner = inner
        self.applied: list[Operation[Any]] = []
        self.there: tuple[type, ...] = ()
        self.back: tuple[type, ...] = ()
        self.failing_reads = 0
        self._gate = asyncio.Event()

    async def apply(self, operation: Operation[R], *, lane: object = None) -> R:
        self.applied.append(operation)
        if isinstance(operation, self.there):
            await self._gate.wait()
        answer = await self.inner.apply(operation, lane=lane)
        if isinstance(operation, self.back):
            await self._gate.wait()
        return answer

    def halt(self, *, there: tuple[type, ...] = (), back: tuple[type, ...] = ()) -> None:
        """From now on these stop, until `go_on`."""
        self._gate.clear()
        self.there, self.back = there, back

    def go_on(self) -> None:
        """Let everything go on."""
        self.there = self.back = ()
        self._gate.set()

    def begin(self, operation: Operation[R], *, lane: object = None) -> "asyncio.Future[R]":
        return asyncio.ensure_future(self.apply(operation, lane=lane))

    async def read(self, query: Callable[[Queries], R]) -> R:
        if self.failing_reads:
            self.failing_reads -= 1
            raise OSError("the disk is on fire")
        return await self.inner.read(query)

    def subscribe(self, listener: Callable[[Committed], None]) -> Callable[[], None]:
        return self.inner.subscribe(listener)

    def foresee(self, seer: Seer) -> Callable[[], None]:
        return self.inner.foresee(seer)

    def now(self) -> int:
        return self.inner.now()


@dataclass
class Worker:
    """A registered process of an agent, with its token."""

    agent_id: str
    instance_id: str
    token: str
    fenced: tuple[protocol.LeaseRef, ...] = ()
    resumed: tuple[str, ...] = ()


@dataclass
class House:
    """The server under test, and the people in it."""

    store: HaltingStore
    time: ManualTime
    pool: PoolContext
    server: "_Server"
    url: str
    http: httpx2.AsyncClient
    transcripts: Transcripts
    serving: "asyncio.Task[None]"
    peers: list["Peer"] = field(default_factory=list)

    async def stop(self, *, has_guests: bool = True) -> None:
        """End the server, with whoever is connected; idempotent."""
        self.server.has_guests = has_guests
        self.server.ended.set()
        await within(self.serving)

    # --- workers ----------------------------------------------------------------------------------------------------

    async def register(self, *, token: str = API_KEY, **fields: Any) -> Worker:
        """Register an agent's process."""
        body = {"agent_id": new_id(), "instance_id": new_id(), "name": "ada", **fields}
        answer = await self.post("register", body, token=token)
        assert answer.status_code == 200, answer.text
        reply = protocol.RegisterReply.model_validate_json(answer.content)
        return Worker(reply.agent_id, reply.instance_id, reply.token, reply.fenced, reply.resumed)

    async def post(self, what: str, body: Any, *, token: str | None, **headers: str) -> httpx2.Response:
        """One request of the worker face."""
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return await self.http.post(f"{self.url}/v1/pool/{what}", json=body, headers=headers)

    async def poll(self, worker: Worker, *frames: dict[str, Any], wait: float = 0.0) -> list[protocol.Frame]:
        """One poll that succeeds."""
        answer = await self.post("poll", {"frames": list(frames), "wait_seconds": wait}, token=worker.token)
        assert answer.status_code == 200, answer.text
        return list(protocol.PollReply.model_validate_json(answer.content).frames)

    async def dial(self, token: str | None, **headers: str) -> "Peer":
        """A socket that has not greeted."""
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        connection = await connect(
            f"ws{self.url.removeprefix('http')}/v1/pool/socket",
            additional_headers=headers,
            compression=None,
            max_size=64 * 1024 * 1024,
        )
        peer = Peer(connection)
        self.peers.append(peer)
        return peer

    async def connect(
        self, worker: Worker, *, held: Sequence[tuple[str, int]] = (), claim_ids: Sequence[str] = ()
    ) -> "Peer":
        """A socket that has greeted."""
        peer = await self.dial(worker.token)
        await peer.request("hello", **hello(worker, held=held, claim_ids=claim_ids))
        return peer

    async def peer(self, *, credits: int = 0, **fields: Any) -> "Peer":
        """A new agent's socket, with as many credits."""
        peer = await self.connect(await self.register(**fields))
        if credits:
            await peer.credit(credits)
        return peer

    # --- operators --------------------------------------------------------------------------------------------------

    async def create(
        self,
        *,
        prompt: str = "build the docs",
        after: Sequence[str] = (),
        requires: Requirements = Requirements(),
        **spec: Any,
    ) -> str:
        """A task; answers its id."""
        new = NewTask(
            spec=TaskSpec(id=new_id(), title="docs", prompt=prompt, requires=requires, **spec),
            edges=tuple(Edge(upstream_id=upstream) for upstream in after),
        )
        return (await self.store.apply(CreateTasks(tasks=(new,), actor="operator"))).task_ids[0]

    async def project(self) -> str:
        """A project; answers its id."""
        project = ProjectRecord(
            id=new_id(), name="site", repo_url="https://git.example/site.git", default_branch="main"
        )
        return (await self.store.apply(CreateProject(project=project, actor="operator"))).id

    async def command(self, command: Command) -> None:
        """A person's command."""
        await self.store.apply(TaskCommand(command=command, actor="operator"))

    async def cancel(self, task_id: str) -> None:
        """Cancel a task."""
        await self.command(Cancel(task_id=task_id))

    async def request_pause(self, task_id: str) -> None:
        """Ask for a pause."""
        await self.command(RequestPause(task_id=task_id))

    async def lapse(self) -> None:
        """Let every lease lapse."""
        self.time.advance(31)
        await self.store.apply(RunTimers(jitter=0.0))

    async def task(self, task_id: str) -> TaskRecord:
        """The task as it stands."""
        record = await self.store.read(lambda queries: queries.task(task_id))
        assert record is not None
        return record

    async def attempts(self, task_id: str) -> list[AttemptRecord]:
        """The tries at a task."""
        return await self.store.read(lambda queries: queries.attempts(task_id))

    async def until_claimed(self, task_id: str) -> TaskRecord:
        """Wait for somebody to hold the task."""
        return await self.until(lambda record: record.state.is_held, task_id)

    async def until(self, condition: Callable[[TaskRecord], bool], task_id: str) -> TaskRecord:
        """Wait for a task to be so; every commit is looked at."""
        changed = asyncio.Event()
        stop = self.store.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition(record := await self.task(task_id)):
                    await changed.wait()
                    changed.clear()
            return record
        finally:
            stop()

    async def is_known(self, token: str) -> bool:
        """Whether a token counts."""
        try:
            await self.store.read(authenticate(hash_token(token), now=self.store.now()))
        except Exception:
            return False
        return True


class Peer:
    """A worker's end of a socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.claims: asyncio.Queue[protocol.Claimed] = asyncio.Queue()
        self.commands: asyncio.Queue[protocol.Command] = asyncio.Queue()
        self.kills: asyncio.Queue[protocol.Kill] = asyncio.Queue()
        self.mail: asyncio.Queue[protocol.Message] = asyncio.Queue()
        self.syncs: asyncio.Queue[protocol.Sync] = asyncio.Queue()
        self.order: list[str] = []  # the types of frames, as they came
        self.strays: asyncio.Queue[protocol.Frame] = asyncio.Queue()  # errors that answer no frame
        self.answered: list[str] = []  # frame ids, in the order their answers came
        self._answers: dict[str, asyncio.Future[protocol.Frame]] = {}
        self._numbers = itertools.count(1)
        self._reading = asyncio.create_task(self._read())

    async def send(self, frame_type: str, frame_id: str | None = None, **body: Any) -> "asyncio.Future[protocol.Frame]":
        """Send a frame; answers what will be its answer."""
        frame_id = frame_id or str(next(self._numbers))
        answer = self._answers[frame_id] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"v": 1, "id": frame_id, "type": frame_type, "body": body}))
        return answer

    async def request(self, frame_type: str, **body: Any) -> dict[str, Any]:
        """The body of a reply."""
        frame = await self.exchange(frame_type, **body)
        assert frame.type is protocol.FrameType.REPLY, frame.body
        return frame.body

    async def refused(self, frame_type: str, **body: Any) -> dict[str, Any]:
        """The error that a frame is refused with."""
        frame = await self.exchange(frame_type, **body)
        assert frame.type is protocol.FrameType.ERROR, frame.body
        error: dict[str, Any] = frame.body["error"]
        return error

    async def exchange(self, frame_type: str, **body: Any) -> protocol.Frame:
        """Send a frame and wait for its answer."""
        answer = await self.send(frame_type, **body)
        return await within(answer)

    async def credit(self, count: int = 1) -> list[str]:
        """New credits."""
        claim_ids = [new_id() for _ in range(count)]
        await self.request("credit", claim_ids=claim_ids)
        return claim_ids

    async def claim(self) -> protocol.Claimed:
        """The next task pushed to this worker."""
        return await within(self.claims.get())

    async def run(self) -> protocol.Claimed:
        """The next task pushed to this worker, started."""
        claim = await self.claim()
        await self.request("start", task_id=claim.task_id, fence=claim.fence)
        return claim

    async def sync(self) -> protocol.Sync:
        """The next order to bring a copy up to date."""
        return await within(self.syncs.get())

    async def closed(self) -> int:
        """Wait for the server to close; the code it gives."""
        await within(self.socket.wait_closed())
        code = self.socket.close_code
        assert code is not None
        return code

    async def vanish(self) -> None:
        """Be gone, without a word."""
        self.socket.transport.abort()
        await within(self._reading)

    async def close(self) -> None:
        """End in good order."""
        await self.socket.close()
        await within(self._reading)

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self.socket:
                self._take(protocol.Frame.model_validate_json(message))

    def _take(self, frame: protocol.Frame) -> None:
        self.order.append(frame.type.value)
        match frame.type:
            case protocol.FrameType.CLAIMED:
                self.claims.put_nowait(protocol.Claimed.model_validate(frame.body))
            case protocol.FrameType.COMMAND:
                self.commands.put_nowait(protocol.Command.model_validate(frame.body))
            case protocol.FrameType.KILL:
                self.kills.put_nowait(protocol.Kill.model_validate(frame.body))
            case protocol.FrameType.MESSAGE:
                self.mail.put_nowait(protocol.Message.model_validate(frame.body))
            case protocol.FrameType.SYNC:
                self.syncs.put_nowait(protocol.Sync.model_validate(frame.body))
            case _ if frame.id in self._answers and not self._answers[frame.id].done():
                self.answered.append(frame.id)
                self._answers[frame.id].set_result(frame)
            case _:
                self.strays.put_nowait(frame)


def hello(worker: Worker, *, held: Sequence[tuple[str, int]] = (), claim_ids: Sequence[str] = ()) -> dict[str, Any]:
    """The body of a hello."""
    leases = [{"task_id": task_id, "fence": fence} for task_id, fence in held]
    return {"instance_id": worker.instance_id, "held": leases, "claim_ids": list(claim_ids)}


def frame(frame_type: str, frame_id: str = "1", **body: Any) -> dict[str, Any]:
    """A frame for a poll."""
    return {"v": 1, "id": frame_id, "type": frame_type, "body": body}


async def within(work: Awaitable[R]) -> R:
    """Wait, but not for ever."""
    async with asyncio.timeout(PATIENCE):
        return await work


class _Server(uvicorn.Server):
    """uvicorn without signals, which waits for its end instead of looking for it ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()
        self.has_guests = False  # end as in earnest, which takes a tenth of a second and more

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.has_guests or self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        await self.lifespan.shutdown()


def _nothing(reference: Reference, *, seconds: float) -> str:
    raise SecretNotFound(f"nothing is kept at {reference}")


@asynccontextmanager
async def opened(folder: Path, *, secrets: SecretResolver | None = None) -> AsyncIterator[House]:
    """A house with nobody in it; `secrets` finds those that are kept elsewhere, by default none."""
    time = ManualTime()
    inner = BatchingStore(MemoryEngine(), clock=ServerClock(wall=time, monotonic=time))
    await inner.open()
    store = HaltingStore(inner)
    await store.apply(PutToken(token=api_key_token(API_KEY, now=store.now())))
    redactor, stopping, metrics = Redactor((SECRET,)), Stopping(), Metrics()
    transcripts = Transcripts(folder / "transcripts", redactor)
    environments = Environments(
        store, Vault(), redactor, secrets or SecretResolver(_nothing, timeout_seconds=1, cache_seconds=1)
    )
    await environments.open()
    store.subscribe(environments.hear)
    board = SwitchBoard(store, metrics)
    pool = PoolContext.build(
        store,
        redactor=redactor,
        transcripts=transcripts,
        environments=environments,
        stopping=stopping,
        board=board,
    )
    authenticator = Authenticator(store, SigningKeys(Vault()))
    app = _app(pool, authenticator, metrics, board)
    app.context = cast(Context, SimpleNamespace(metrics=metrics))  # all that the outer layers look at
    bound = listen("127.0.0.1", 0)
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            ws_max_size=FRAME_BYTES,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=5,
            lifespan="on",
            log_config=None,
        )
    )
    async with httpx2.AsyncClient(timeout=30, verify=False) as http:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        house = House(store, time, pool, server, url, http, transcripts, serving)
        try:
            yield house
        finally:
            store.go_on()
            await http.aclose()
            for peer in house.peers:
                await peer.vanish()
            for _ in range(10):  # or uvicorn waits for the last of them, a tenth of a second at a time
                await asyncio.sleep(0)
            await house.stop(has_guests=False)
            await inner.close()
            bound.close()


def _app(pool: PoolContext, authenticator: Authenticator, metrics: Metrics, board: SwitchBoard) -> ControlPlane:
    @asynccontextmanager
    async def running(_: object) -> AsyncIterator[None]:
        await board.open()
        async with pool.running():
            yield
        board.close()

    app = ControlPlane(lifespan=running, openapi_url=None, docs_url=None, redoc_url=None)
    table = routes(pool)
    door = Door(
        authenticator=authenticator,
        rates=RateLimits({}),
        denials=Denials(pool.store),
        peers=Peers(),
        metrics=metrics,
        board=board,
    )
    guard_routes(table, door)
    app.router.routes.extend(table)
    return app
