"""Several servers on one PostgreSQL database, as people and workers see them."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.server.pool.house import Peer, Worker, hello, within
from tests.server.world import API_KEY, Messages
from websockets.asyncio.client import connect

from agent_swarm.bus.base import Bus, Hear, Notice, NoticeKind
from agent_swarm.bus.logs import NoLogStream
from agent_swarm.bus.postgres import PostgresBus
from agent_swarm.config import SettingError
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.pool import CLOSE_SUPERSEDED
from agent_swarm.server import node as node_module
from agent_swarm.server.app import ControlPlane
from agent_swarm.server.listening import HttpServer, address_of, listen
from agent_swarm.server.node import Following, Node
from agent_swarm.server.pool import sweep as sweep_module
from agent_swarm.server.running import serving
from agent_swarm.server.settings import ServerSettings
from agent_swarm.server.stopping import Stopping
from agent_swarm.server.ways import DIRECTORY_ID, Ways
from agent_swarm.testing import nats, postgres
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NEVER = 3_600.0


@dataclass
class Server:
    """One of them, behind a real socket."""

    url: str
    app: ControlPlane
    node: Node
    http: httpx2.AsyncClient

    async def call(self, method: str, path: str, body: Any = None, *, token: str = API_KEY) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"}
        return await self.http.request(method, self.url + path, json=body, headers=headers)

    async def answer(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self.call(method, path, body)
        assert reply.is_success, reply.text
        return reply.json()

    async def file(self, prompt: str = "do it", **fields: Any) -> str:
        task_id: str = (await self.answer("POST", "/api/tasks", {"prompt": prompt, **fields}))["id"]
        return task_id

    async def status(self, task_id: str) -> str:
        status: str = (await self.answer("GET", f"/api/tasks/{task_id}"))["status"]
        return status

    async def register(self, worker: Worker | None = None) -> Worker:
        """Register a process, or the same one again."""
        agent, instance = (worker.agent_id, worker.instance_id) if worker else (new_id(), new_id())
        body = {"agent_id": agent, "instance_id": instance, "name": "ada"}
        reply = await self.answer("POST", "/v1/pool/register", body)
        return Worker(agent, instance, reply["token"])

    async def connect(self, worker: Worker, *claim_ids: str, syncs: bool = False) -> Peer:
        """A socket of this process, which greets with its open credits."""
        headers = {"authorization": f"Bearer {worker.token}"}
        socket = await connect(f"ws{self.url.removeprefix('http')}/v1/pool/socket", additional_headers=headers)
        peer = Peer(socket)
        await peer.request("hello", **hello(worker, claim_ids=claim_ids), syncs=syncs)
        return peer

    @asynccontextmanager
    async def events(self) -> AsyncIterator[Messages]:
        headers = {"authorization": f"Bearer {API_KEY}", "accept": "text/event-stream"}
        async with self.http.stream("GET", f"{self.url}/api/events", headers=headers, timeout=20) as answer:
            messages = Messages(answer.aiter_lines())
            await messages.comment("connected")
            yield messages


@asynccontextmanager
async def started(settings: ServerSettings, bus: Bus | None = None) -> AsyncIterator[Server]:
    stopping = Stopping()
    node = Node()
    ways = None if bus is None else Ways(bus, NoLogStream())
    async with serving(settings, settings.api_key or API_KEY, stopping, node, ways) as app:
        with listen("127.0.0.1", 0) as bound:
            server = HttpServer(app, stopping)
            task = asyncio.create_task(server.serve(sockets=[bound]))
            try:
                async with httpx2.AsyncClient() as http:
                    yield Server(address_of(bound), app, node, http)
            finally:
                server.stop()
                await task


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture
def settings(postgres_server: str, tmp_path: Path) -> Iterator[ServerSettings]:
    with postgres.database_with_tables(postgres_server) as url:
        yield ServerSettings(
            data_dir=tmp_path, api_key=API_KEY, database_url=url, transcripts_dir=tmp_path / "transcripts"
        )


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def no_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever arrives has been told by a notice."""
    monkeypatch.setattr(sweep_module, "SWEEP_SECONDS", NEVER)
    monkeypatch.setattr(node_module, "SWEEP_SECONDS", NEVER)


@pytest.fixture
async def two(settings: ServerSettings, stack: AsyncExitStack, no_sweeps: None) -> tuple[Server, Server]:
    one = await stack.enter_async_context(started(settings))
    other = await stack.enter_async_context(started(settings))
    return one, other


async def test_given_a_worker_at_one_server_when_a_task_is_filed_at_another_then_it_is_pushed_to_it(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    peer = await other.connect(await other.register())
    await peer.credit()
    for number in range(5):  # the first one makes a requirement class that the other server has never heard of
        task = await one.file(f"number {number}")

        claim = await peer.run()
        assert claim.task_id == task
        await peer.request("complete", task_id=task, fence=claim.fence, attempt=1, result={"text": "done"})

        assert await one.status(task) == "completed"
        await peer.credit()


async def test_given_credits_at_two_servers_when_one_task_is_filed_then_exactly_one_worker_gets_it(
    two: tuple[Server, Server],
) -> None:
    peers = [await server.connect(await server.register()) for server in two]
    for peer in peers:
        await peer.credit(10)

    tasks = {await two[number % 2].file() for number in range(10)}
    await until(lambda: sum(peer.claims.qsize() for peer in peers) == 10)

    claimed = [peer.claims.get_nowait().task_id for peer in peers for _ in range(peer.claims.qsize())]
    assert sorted(claimed) == sorted(tasks)


async def test_given_a_stream_at_one_server_when_others_write_then_it_shows_everything_in_order(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    async with one.events() as messages:
        await asyncio.gather(*(server.file() for server in (one, other) * 10))
        seqs = [message["data"]["seq"] for message in await messages.take(20)]

    assert seqs == list(range(seqs[0], seqs[0] + 20))


async def test_given_a_run_at_one_server_when_it_is_cancelled_at_another_then_its_worker_is_told_at_once(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    peer = await other.connect(await other.register())
    await peer.credit()
    task = await one.file()
    claim = await peer.run()

    await one.answer("POST", f"/api/tasks/{task}/cancel")

    command = await within(peer.commands.get())
    assert (command.task_id, command.fence, command.kind) == (task, claim.fence, "cancel")


async def test_given_a_run_at_one_server_when_its_agent_is_written_to_at_another_then_its_worker_has_the_message_once(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    worker = await other.register()
    peer = await other.connect(worker)
    await peer.credit()
    await one.file()
    claim = await peer.run()
    lease = {"task_id": claim.task_id, "fence": claim.fence}

    said = await one.answer("POST", "/api/messages", {"to": [worker.agent_id], "text": "hello"})
    steered = await one.answer("POST", f"/api/tasks/{claim.task_id}/steer", {"message": "use tabs"})

    pushed: list[str] = []
    while len(pushed) < 2:  # one by one, or together where the first is a little late
        pushed += [message.id for message in (await within(peer.mail.get())).messages]
    assert pushed == [said["id"], steered["id"]]
    await peer.request("received", **lease, acknowledged=pushed)
    for message_id in pushed:
        (delivery,) = (await one.answer("GET", f"/api/messages/{message_id}"))["deliveries"]
        assert delivery["status"] == "acknowledged"
    assert peer.mail.empty()


async def test_given_an_idle_agent_at_one_server_when_it_is_written_to_at_another_then_one_conversation_wakes_it(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    worker = await other.register()
    peer = await other.connect(worker)
    await peer.credit(2)

    said = [
        await server.answer("POST", "/api/messages", {"to": [worker.agent_id], "text": "hello"})
        for server in (one, other, one)
    ]

    claim = await peer.run()
    pushed = {message.id for message in claim.messages}
    while len(pushed) < len(said):
        pushed |= {message.id for message in (await within(peer.mail.get())).messages}
    assert pushed == {one["id"] for one in said}
    lease = {"task_id": claim.task_id, "fence": claim.fence}
    await peer.request("received", **lease, acknowledged=sorted(pushed))
    await peer.request("complete", **lease, text="done")
    tasks = (await one.answer("GET", "/api/tasks?tag=conversation"))["tasks"]
    assert [task["id"] for task in tasks] == [claim.task_id]


async def test_given_a_token_known_to_one_server_when_another_process_registers_elsewhere_then_it_counts_no_more(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    worker = await one.register()
    peer = await one.connect(worker)

    await other.answer(
        "POST", "/v1/pool/register", {"agent_id": worker.agent_id, "instance_id": new_id(), "name": "ada"}
    )

    assert await peer.closed() == CLOSE_SUPERSEDED
    refused = await one.call("POST", "/v1/pool/poll", {"frames": []}, token=worker.token)
    assert refused.status_code in (401, 409)


async def test_given_a_worker_that_moves_to_another_server_when_it_has_come_in_then_the_first_lets_it_go(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    worker = await one.register()
    before = await one.connect(worker)
    claim_ids = await before.credit()

    after = await other.connect(worker, *claim_ids)

    await before.closed()
    task = await one.file()
    assert (await after.claim()).task_id == task


async def test_given_a_claim_made_where_the_worker_was_when_it_has_moved_then_the_answer_comes_after_it(
    settings: ServerSettings, stack: AsyncExitStack, no_sweeps: None
) -> None:
    """The first server has not heard of the move: its claim goes to a connection that nobody reads."""
    one = await stack.enter_async_context(started(settings, DeafBus(settings.database_url)))
    other = await stack.enter_async_context(started(settings))
    worker = await one.register()
    before = await one.connect(worker)
    claim_ids = await before.credit()
    after = await other.connect(worker, *claim_ids)
    await until(lambda: other.app.pool.dispatcher.waiting == 1)

    task = await one.file()

    assert (await after.claim()).task_id == task


async def test_given_a_run_at_one_server_when_its_transcript_is_followed_at_another_then_the_lines_come(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    peer = await other.connect(await other.register())
    await peer.credit()
    task = await one.file()
    claim = await peer.run()

    async def store(first: int, *texts: str) -> None:
        lines = [{"at": "2026-01-01T00:00:00.000Z", "kind": "log", "data": {"text": text}} for text in texts]
        body = {"task_id": task, "fence": claim.fence, "attempt": 1, "first": first, "lines": lines}
        await peer.request("events", **body)

    await store(0, "one", "two")
    page = await one.answer("GET", f"/api/tasks/{task}/attempts/1/transcript?waitSeconds=0")
    assert [line["data"]["text"] for line in page["lines"]] == ["one", "two"]

    following = asyncio.create_task(
        one.answer("GET", f"/api/tasks/{task}/attempts/1/transcript?after={page['next']}&waitSeconds=20")
    )
    await store(2, "three")

    more = await within(following)
    assert [line["data"]["text"] for line in more["lines"]] == ["three"]


async def test_given_a_worker_that_moves_in_a_run_when_it_goes_on_elsewhere_then_its_transcript_is_whole(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    worker = await one.register()
    peer = await one.connect(worker)
    await peer.credit()
    task = await one.file()
    claim = await peer.run()
    line = {"at": "2026-01-01T00:00:00.000Z", "kind": "log", "data": {"text": "x"}}

    for number, server in enumerate((one, other, one, other)):
        peer = await server.connect(worker)
        frame = {"task_id": task, "fence": claim.fence, "attempt": 1, "first": number, "lines": [line]}
        await peer.request("events", **frame)
        await peer.request("events", **frame)  # its answer was lost

    page = await one.answer("GET", f"/api/tasks/{task}/attempts/1/transcript")
    assert len(page["lines"]) == 4


class DeafBus(PostgresBus):
    """Neither hears nor tells: every notice is lost."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "deaf")

    async def open(self, hear: Hear) -> None:
        """Nothing is heard."""

    def publish(self, notice: Notice) -> None:
        """Nothing is told."""


async def test_given_notices_that_are_lost_when_work_is_filed_then_the_sweep_finds_it(
    settings: ServerSettings, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(node_module, "SWEEP_SECONDS", 0.1)
    one, other = [await stack.enter_async_context(started(settings, DeafBus(settings.database_url))) for _ in range(2)]
    peer = await other.connect(await other.register())
    await peer.credit()
    async with other.events() as messages:
        task = await one.file()

        claim = await peer.run()
        assert claim.task_id == task
        assert (await messages.next())["data"]["type"] == "task.created"

        await one.answer("POST", f"/api/tasks/{task}/cancel")
        assert (await within(peer.commands.get())).task_id == task


@pytest.mark.parametrize("ready", [{"1": 3}, {"999": 1}, None])
async def test_given_notices_that_come_twice_or_tell_of_nothing_when_they_are_heard_then_no_harm_is_done(
    two: tuple[Server, Server], ready: Any
) -> None:
    one, other = two
    worker = await other.register()
    peer = await other.connect(worker)
    await peer.credit()
    for _ in range(3):
        one.node.tell(NoticeKind.COMMITTED, seq=10**9, ready=ready)
        one.node.tell(NoticeKind.TRANSCRIPT, task=new_id(), attempt=1)
        one.node.tell(NoticeKind.CONNECTED, agent=worker.agent_id, instance=worker.instance_id, at=1)  # long ago

    task = await one.file()

    assert (await peer.claim()).task_id == task


async def test_given_a_server_that_starts_or_stops_when_others_hear_of_it_then_leases_are_left_alone_for_a_while() -> (
    None
):
    granted: list[int] = []
    at = 0
    following = Following(Node(), _Ears(granted, lambda: at))  # type: ignore[arg-type]

    for seconds in (0, 5, 40, 89, 90, 100, 179, 180):
        at = seconds * SECOND
        following.hear(Notice(NoticeKind.STARTED, "other", {}))

    assert granted == [0, 90 * SECOND, 180 * SECOND], "one that starts again and again does not stop the reaping"


class _Ears:
    def __init__(self, granted: list[int], now: Any) -> None:
        self.store = self.timers = self
        self.now = now
        self.grant_grace = lambda: granted.append(now())


async def test_given_a_key_that_each_server_made_when_another_one_starts_then_the_first_ones_key_still_counts(
    settings: ServerSettings, stack: AsyncExitStack, tmp_path: Path
) -> None:
    mine, theirs = (replace(settings, api_key="", data_dir=tmp_path / name) for name in ("mine", "theirs"))
    one = await stack.enter_async_context(started(mine))

    async with serving(theirs, "another-key-of-its-own", Stopping(), Node()):
        assert (await one.call("GET", "/api/tasks")).status_code == 200


async def test_given_a_directory_of_transcripts_of_its_own_when_a_server_starts_then_it_is_refused_with_the_remedy(
    settings: ServerSettings, stack: AsyncExitStack, tmp_path: Path
) -> None:
    await stack.enter_async_context(started(settings))
    other = replace(settings, transcripts_dir=tmp_path / "elsewhere")

    with pytest.raises(SettingError, match="not the directory of transcripts") as refused:
        await stack.enter_async_context(started(other))

    settled = (tmp_path / "transcripts" / DIRECTORY_ID).read_text()
    (tmp_path / "elsewhere" / DIRECTORY_ID).write_text(settled)  # as the hint says
    assert settled.strip() in refused.value.hint
    await stack.enter_async_context(started(other))


async def test_given_nats_and_no_database_that_others_share_when_a_server_starts_then_it_is_refused(
    tmp_path: Path,
) -> None:
    alone = ServerSettings(data_dir=tmp_path, api_key=API_KEY, nats_url="nats://127.0.0.1:4222")

    with pytest.raises(SettingError, match="NATS is for several servers"):
        async with serving(alone, API_KEY, Stopping(), Node()):
            pass


@pytest.fixture
def nats_url() -> Iterator[str]:
    if nats.binary() is None and not os.environ.get("TEST_NATS_URL", "").strip():
        (pytest.fail if os.environ.get("SKIP_NOTHING") else pytest.skip)("nats-server is not installed: make dev")
    with nats.server() as url:
        yield url


async def test_given_servers_that_have_nats_when_a_task_runs_then_wakes_commands_and_transcripts_go_that_way(
    settings: ServerSettings, stack: AsyncExitStack, no_sweeps: None, nats_url: str, tmp_path: Path
) -> None:
    one, other = [
        await stack.enter_async_context(
            started(replace(settings, nats_url=nats_url, data_dir=tmp_path / name, transcripts_dir=None))
        )
        for name in ("one", "other")
    ]
    worker = await other.register()
    peer = await other.connect(worker)
    await peer.credit()
    async with one.events() as messages:
        task = await one.file()
        claim = await peer.run()
        assert [message["data"]["type"] for message in await messages.take(3)] == [
            "task.created",
            "task.claimed",
            "task.started",
        ]

    line = {"at": "2026-01-01T00:00:00.000Z", "kind": "log", "data": {"text": "far away"}}
    frame = {"task_id": task, "fence": claim.fence, "attempt": 1, "lines": [line]}
    await peer.request("events", **frame, first=0)
    path = f"/api/tasks/{task}/attempts/1/transcript?waitSeconds=10"
    page = await within(one.answer("GET", path))
    assert [told["data"]["text"] for told in page["lines"]] == ["far away"]
    moved = await one.connect(worker)  # and goes on there
    await moved.request("events", **frame, first=1)
    await until(lambda: (tmp_path / "other" / "transcripts" / task / "1.jsonl").read_bytes().count(b"\n") == 2)

    await other.answer("POST", f"/api/tasks/{task}/cancel")
    assert (await within(moved.commands.get())).task_id == task


@pytest.mark.parametrize("transport", ["postgres", "nats"])
async def test_given_sandboxes_at_several_servers_when_a_project_is_synced_at_one_then_each_report_counts(
    settings: ServerSettings, stack: AsyncExitStack, no_sweeps: None, transport: str, request: pytest.FixtureRequest
) -> None:
    if transport == "nats":
        settings = replace(settings, nats_url=request.getfixturevalue("nats_url"))
    one, other = [await stack.enter_async_context(started(settings)) for _ in range(2)]
    await one.answer("POST", "/swarms", {"name": "dev"})
    project = await one.answer("POST", "/projects", {"name": "shop", "gitUrl": "https://git.example/s", "swarm": "dev"})
    peers = {}
    for name, server in (("near", one), ("far", other)):
        worker = await server.register()
        await one.answer("POST", "/swarms/dev/agents", {"name": name, "sandboxId": worker.agent_id})
        peers[worker.agent_id] = await server.connect(await server.register(worker), syncs=True)

    for action, status in (("init", "created"), ("sync", "updated")):
        asking = asyncio.create_task(one.answer("POST", f"/projects/shop/{action}", {"waitSeconds": 60}))
        orders = {agent_id: await peer.sync() for agent_id, peer in peers.items()}  # both, before any has answered
        for agent_id, peer in peers.items():
            told = {"status": status, "branch": "main", "head": agent_id[-12:]}
            order = orders[agent_id]
            assert order.project.id == project["id"]
            await peer.request("synced", request_id=order.request_id, project_id=order.project.id, **told)

        report = await within(asking)
        assert report["ok"]
        assert {copy["sandboxId"]: (copy["status"], copy["head"]) for copy in report["sandboxes"]} == {
            agent_id: (status, agent_id[-12:]) for agent_id in peers
        }
