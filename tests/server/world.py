"""A whole server in the test's own process: memory store, a clock that moves when told to, tokens of every kind."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from agent_swarm.domain import commands
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile, AgentRole, serves
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol import pool as wire
from agent_swarm.server.app import ControlPlane, build_app
from agent_swarm.server.listening import HttpServer, address_of, listen
from agent_swarm.server.pool.briefing import claimed_body
from agent_swarm.server.settings import ServerSettings
from agent_swarm.services import tokens
from agent_swarm.services.dispatch.claims import FILING
from agent_swarm.services.secrets.starting import open_vault
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.clock import ServerClock
from agent_swarm.store.opening import open_store
from agent_swarm.store.operations import (
    ClaimTask,
    Heartbeat,
    Held,
    PutToken,
    RegisterAgent,
    SignOff,
    TaskCommand,
)
from agent_swarm.store.records import AgentRecord, AttemptReport, ClaimedTask, TokenKind
from agent_swarm.vault.backends.settings import BackendSettings
from agent_swarm.vault.finding import FoundKeys

API_KEY = "operator-key-of-the-tests"
LEASE = 30 * SECOND
START = 1_800_000_000 * SECOND


@dataclass
class ManualClock:
    """Wall and monotonic clock of the store, in microseconds."""

    at: int = START

    def __call__(self) -> int:
        return self.at

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.at += int(seconds * SECOND)


@dataclass(frozen=True)
class Claim:
    """A claimed task, with the token of its attempt."""

    task_id: str
    attempt: int
    fence: int
    token: str

    @property
    def held(self) -> Held:
        return Held(task_id=self.task_id, fence=self.fence)


@dataclass(frozen=True)
class RegisteredAgent:
    """An agent's process and its token."""

    profile: AgentProfile
    instance_id: str
    token: str

    @property
    def id(self) -> str:
        return self.profile.id


@dataclass
class World:
    """The server under test, and what happens around it."""

    app: ControlPlane
    store: BatchingStore
    clock: ManualClock
    client: httpx2.AsyncClient
    agents: dict[str, RegisteredAgent] = field(default_factory=dict)

    async def call(self, method: str, path: str, *, token: str | None = API_KEY, **options: Any) -> httpx2.Response:
        """One request, by default the operator's."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return await self.client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> Any:
        """The body of a read that succeeds."""
        answer = await self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """The body of a write that succeeds."""
        answer = await self.call("POST", path, json={} if body is None else body, **options)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def file(self, prompt: str = "do it", **fields: Any) -> str:
        """File a task; answers its id."""
        task_id: str = (await self.post("/api/tasks", {"prompt": prompt, **fields}))["id"]
        return task_id

    async def register(
        self,
        name: str = "ada",
        *,
        role: AgentRole = AgentRole.WORKER,
        agent_id: str | None = None,
        instance_id: str | None = None,
        tags: tuple[str, ...] = (),
        capabilities: tuple[str, ...] = (),
        slots: int = 1,
    ) -> RegisteredAgent:
        """Register an agent's process."""
        profile = AgentProfile(
            id=agent_id or new_id(), agent_role=role, tags=frozenset(tags), capabilities=frozenset(capabilities)
        )
        instance = instance_id or new_id()
        minted = tokens.mint(
            TokenKind.AGENT, now=self.store.now(), agent_id=profile.id, instance_id=instance, agent_role=role
        )
        agent = AgentRecord(profile=profile, name=name, instance_id=instance, slots=slots)
        profiles = self.app.context.rules.profiles
        await self.store.apply(RegisterAgent(agent=agent, token=minted.record, profiles=profiles))
        self.agents[profile.id] = RegisteredAgent(profile, instance, minted.text)
        return self.agents[profile.id]

    async def beat(self, agent: RegisteredAgent, *claims: Claim) -> None:
        """Renew leases."""
        await self.store.apply(
            Heartbeat(
                agent_id=agent.id,
                instance_id=agent.instance_id,
                lease=LEASE,
                leases=tuple(claim.held for claim in claims),
            )
        )

    async def sign_off(self, agent: RegisteredAgent) -> None:
        """The agent's process leaves in good order."""
        await self.store.apply(SignOff(agent_id=agent.id, instance_id=agent.instance_id))

    async def claim(self, agent: RegisteredAgent) -> Claim:
        """Have the agent claim the next task it may run."""
        classes = await self.store.read(lambda queries: queries.classes())
        served = tuple(sorted(number for number, needs in classes.items() if serves(agent.profile, needs)))
        minted = tokens.mint(
            TokenKind.ATTEMPT,
            now=self.store.now(),
            agent_id=agent.id,
            instance_id=agent.instance_id,
            agent_role=agent.profile.agent_role,
        )
        claimed = await self.store.apply(
            ClaimTask(
                claim_id=new_id(),
                agent_id=agent.id,
                instance_id=agent.instance_id,
                class_ids=served,
                lease=LEASE,
                token=minted.record,
                profiles=self.app.context.rules.profiles,
                filing=FILING,
            )
        )
        assert claimed is not None, "nothing to claim"
        state = claimed.task.state
        return Claim(state.id, state.attempt, state.fence, minted.text)

    async def take(self, agent: RegisteredAgent) -> Claim:
        """Claim and start the next task."""
        claim = await self.claim(agent)
        await self.command(commands.Start(task_id=claim.task_id, fence=claim.fence))
        return claim

    async def frame_of(self, claim: Claim) -> wire.Claimed:
        """What a worker is told with this claim."""
        record = await self.store.read(lambda queries: queries.task(claim.task_id))
        assert record is not None
        agent = await self.store.read(lambda queries: queries.agent(record.state.agent_id or ""))
        version = 0 if agent is None else agent.profile_version
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.app.pool.briefings.ask(record, ready.set_result, profile_version=version)
        claimed = ClaimedTask(claim_id=new_id(), task=record)
        body = claimed_body(claimed, await ready, token="t", lease_seconds=30)
        return wire.Claimed.model_validate(json.loads(json.dumps(body)))

    async def complete(self, claim: Claim, text: str = "done", data: Any = None) -> None:
        """The run ends well."""
        await self.command(
            commands.Complete(task_id=claim.task_id, fence=claim.fence, digest=text),
            AttemptReport(text=text, data=data),
        )

    async def fail(self, claim: Claim, failure: FailureClass = FailureClass.POLICY, *, jitter: float = 0.0) -> None:
        """The run ends badly, by default for good."""
        report = AttemptReport(text="it broke", failure_class=failure.value, failure_code="exitCode")
        await self.command(
            commands.Fail(task_id=claim.task_id, fence=claim.fence, failure=failure, digest="no", jitter=jitter),
            report,
        )

    async def pause(self, claim: Claim, reason: PauseReason = PauseReason.SHUTDOWN) -> None:
        """The run is interrupted in good order."""
        await self.command(commands.Pause(task_id=claim.task_id, fence=claim.fence, reason=reason))

    async def command(self, command: commands.Command, report: AttemptReport = AttemptReport()) -> None:
        """Carry out a command as a worker would."""
        await self.store.apply(TaskCommand(command=command, actor="agent:test", report=report))


@asynccontextmanager
async def opened(
    folder: Path,
    *,
    address: str | Path = "memory:",
    keys: FoundKeys | None = None,
    backends: BackendSettings | None = None,
    **options: Any,
) -> AsyncIterator[World]:
    """A world with the operator's token, its app at work, by default over a store in memory, and without a key;
    `options` are settings."""
    clock = ManualClock()
    settings = ServerSettings(data_dir=folder, api_key=API_KEY, **options)
    async with open_store(address, clock=ServerClock(wall=clock, monotonic=clock)) as store:
        await store.apply(PutToken(token=tokens.api_key_token(API_KEY, now=store.now())))
        vault, _ = (Vault(), ()) if keys is None else await open_vault(store, keys, is_shared=False)
        app = build_app(store, settings, vault=vault, backends=backends)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            yield World(app, store, clock, client)


async def settled() -> None:
    """Let everything that is ready on the event loop run."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass
class Live:
    """A world behind a real HTTP server."""

    world: World
    server: HttpServer
    url: str
    client: httpx2.AsyncClient

    @asynccontextmanager
    async def events(self, *, last_event_id: str | None = None, query: str = "") -> AsyncIterator["Messages"]:
        """An open event stream; the server has begun to answer."""
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {API_KEY}"}
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        async with self.client.stream("GET", f"{self.url}/api/events{query}", headers=headers, timeout=20) as answer:
            assert answer.status_code == 200
            messages = Messages(answer.aiter_lines())
            await messages.comment("connected")
            yield messages


class Messages:
    """The messages of an event stream, one by one."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> dict[str, Any]:
        """The next message's fields; comments and messages without data are skipped."""
        fields: dict[str, Any] = {}
        async for line in self._lines:
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif not line and "data" in fields:
                return {**fields, "data": json.loads(fields["data"])}
            elif not line:
                fields = {}
        raise EOFError

    async def take(self, count: int) -> list[dict[str, Any]]:
        """That many messages."""
        return [await self.next() for _ in range(count)]

    async def comment(self, text: str) -> None:
        """Wait for a comment."""
        async for line in self._lines:
            if line == f": {text}":
                return
        raise EOFError

    async def ended(self) -> bool:
        """Read to the end."""
        async for _ in self._lines:
            pass
        return True


@asynccontextmanager
async def served(world: World) -> AsyncIterator[Live]:
    """`world` on a real socket."""
    with listen("127.0.0.1", 0) as bound:
        server = HttpServer(world.app, world.app.context.stopping)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            async with httpx2.AsyncClient() as client:
                yield Live(world, server, address_of(bound), client)
        finally:
            server.stop()
            await serving
