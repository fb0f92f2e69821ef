"""No list is without a bound: `limit` is at most 200, a cursor leads through all of it, and the end is told."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripts.docs.routes import app
from tests.server.sessions import add_user, session_of
from tests.server.world import Claim, RegisteredAgent, World, opened

from agent_swarm.domain import commands
from agent_swarm.domain.configuration import ENTRIES_PER_PLACE
from agent_swarm.domain.ids import new_id
from agent_swarm.protocol.limits import BATCH_TASKS, DEPENDENCIES, PAGE_DEFAULT, PAGE_MAX
from agent_swarm.store.families.live_work import FoundOverlap, LiveWork, NoteOverlaps, ShareLiveWork
from agent_swarm.store.merge_queues import EnterQueue

pytestmark = pytest.mark.anyio

MANY = PAGE_MAX + 3
ID, NUMBER = "{id}", "{number}"

# Lists with pages: path -> the field with the rows, and what tells them apart.
PAGED = {
    "/api/tasks": ("tasks", "id"),
    "/api/agents": ("agents", "id"),
    "/api/projects": ("projects", "id"),
    "/api/conflicts": ("conflicts", "id"),
    "/api/swarms": ("swarms", "id"),
    "/api/users": ("users", "id"),
    "/api/auth/sessions": ("sessions", "id"),
    "/api/tasks/{id}/attachments": ("attachments", "name"),
    "/api/tasks/{id}/attempts": ("attempts", "number"),
    "/api/audit/events": ("events", "seq"),
    "/api/audit/checkpoints": ("checkpoints", "number"),
    "/api/config": ("entries", "id"),
    "/api/messages": ("messages", "id"),
    "/api/messages/{id}": ("deliveries", "recipient"),
    "/api/channels": ("channels", "id"),
    "/api/channels/{name}/members": ("members", "member"),
    "/api/memory": ("notes", "id"),
    "/api/kv/{namespace}": ("values", "key"),
    "/api/approvals": ("approvals", "id"),
    "/api/agents/{id}/profile/versions": ("versions", "version"),
    "/api/schedules": ("schedules", "id"),
    "/api/budgets": ("budgets", "id"),
    "/api/triggers": ("triggers", "id"),
    "/api/projects/{idOrName}/queue/entries": ("entries", "taskId"),
    "/api/workflows": ("runs", "id"),
    "/swarms": ("swarms", "id"),
    "/swarms/{idOrName}/tasks": ("tasks", "id"),
    "/swarms/{idOrName}/agents": ("agents", "sandboxId"),
    "/swarms/{idOrName}/chat": ("messages", "id"),
    "/projects": ("projects", "id"),
}
# Records that grow: they are read `after` a number, and the answer tells the next one.
FEEDS = {
    "/api/events": ("events", "nextAfter"),
    "/api/tasks/{id}/attempts/{number}/transcript": ("lines", "next"),
}
# Answers about one thing, with lists in them.
DETAILS = {
    "/api/accounts",
    "/api/auth/me",
    "/api/tasks/{id}",
    "/api/tasks/{id}/explain",
    "/api/agents/{id}",
    "/api/agents/{id}/profile",
    "/api/agents/{id}/profile/versions/{number}",
    "/api/permission-profiles",
    "/api/overview",
    "/api/swarms/{idOrName}/status",
    "/api/kill-switch",
    "/api/audit/verify",
    "/api/config/resolved",
    "/api/keys",
    "/api/memory/{id}",
    "/api/approvals/{id}",
    "/api/schedules/next",
    "/api/schedules/{idOrName}",
    "/api/schedules/{idOrName}/explain",
    "/api/schedules/{idOrName}/next",
    "/api/schedules/{idOrName}/runs",
    "/api/reports/costs",
    "/api/triggers/{idOrName}",
    "/api/projects/{idOrName}/queue",
    "/api/triggers/{idOrName}/deliveries",
    "/api/workflows/{id}",
    "/swarms/{idOrName}/status",
    "/swarms/{idOrName}/project",
}
# What is told whole, because it is asked for whole and was bounded when it was written.
WHOLE = {
    **dict.fromkeys((("/api/tasks/{id}", ".dependsOn"), ("/api/tasks/{id}/explain", ".dependsOn")), DEPENDENCIES),
    ("/api/config/resolved", ".entries"): 4 * ENTRIES_PER_PLACE,
    ("/api/accounts", ".accounts"): ENTRIES_PER_PLACE,
    ("/api/schedules/{idOrName}", ".tasks"): BATCH_TASKS,
}


class Full:
    """A world with more of everything than a page holds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.agent: RegisteredAgent
        self.tried = ""  # a task with many attempts, the last of which has many lines
        self.awaited = ""
        self.waiting = ""
        self.said = ""  # a message to many

    async def fill(self) -> None:
        """Make them."""
        world = self.world
        for number in range(MANY):
            await world.post(
                "/api/projects", {"name": f"p{number}", "repoUrl": f"https://example.com/{number // 2}.git"}
            )
            agent = await world.register(f"agent-{number % 100}")  # names are not unique
            await world.post("/api/swarms", {"name": f"s{number}"})
            if not number:
                await self._fill_swarm()
            await world.call("PUT", f"/api/swarms/s0/agents/{agent.id}")
            await world.post("/api/audit/checkpoint")
            entry = {
                "scope": "project",
                "scopeId": f"p{number % 9}",
                "key": f"KEY_{number}",
                "value": "x",
                "isSecret": False,
            }
            assert (await world.call("PUT", "/api/config", json=entry)).status_code == 200
            await world.post("/api/memory", {"text": "x", "name": f"n{number}"})
            await world.call("PUT", f"/api/kv/swarm/k{number}", json={"value": number})
            schedule = {"name": f"s{number}", "at": "2040-01-01T00:00:00Z", "task": {"prompt": "x"}}
            await world.post("/api/schedules", schedule)
            await world.post("/api/budgets", {"scope": "agent", "scopeId": agent.id, "capUsd": 1_000})
            does = {"createTask": {"prompt": "x"}}
            await world.post("/api/triggers", {"name": f"t{number}", "on": "failed", "do": does})
            await world.post("/api/workflows", {"workflow": {"name": "w", "stages": [{"name": "a", "kind": "noop"}]}})
            await session_of(world, await add_user(world, f"user-{number}"))
            channel = {"name": f"c{number}", "members": [f"user:user-{n}" for n in range(number + 1)][-1:]}
            await world.post("/api/channels", channel)
            await world.call("PUT", f"/api/channels/c0/members/user:user-{number}")
            said = await world.post("/api/messages", {"broadcast": True, "text": "hello"})
            self.said = said["id"]
        self.agent = await world.register("busy", slots=2 * MANY)
        for number in range(MANY + 1):
            said = {"expectedVersion": number, "description": f"version {number + 1}"}
            answer = await world.call("PATCH", f"/api/agents/{self.agent.id}/profile", json=said)
            assert answer.status_code == 200
        self.tried = await world.file("tried")
        for number in range(MANY):
            claim = await world.claim(self.agent)
            file = f"/api/tasks/{claim.task_id}/attachments/f{number}"
            assert (await world.call("PUT", file, json={"text": "x"}, token=claim.token)).status_code == 200
            await world.command(commands.Release(task_id=claim.task_id, fence=claim.fence))
        await world.claim(self.agent)
        lines = [{"at": "2026-11-20T18:44:35.000Z", "kind": "text", "data": {"n": number}} for number in range(MANY)]
        await world.app.context.transcripts.append(self.tried, MANY + 1, 0, lines, now=world.store.now())
        await self._fill_queue()
        self.awaited = await world.file("awaited", startAt="2040-01-01T00:00:00Z")
        held = [await world.file(f"t{number}", project="p0") for number in range(MANY)]
        claims = [await world.claim(self.agent) for _ in held]
        for claim in claims:
            await world.post("/api/approvals", {"title": "May I?"}, token=claim.token)
        await self._fill_conflicts(sorted(claims, key=lambda one: one.task_id))
        for number in range(MANY):
            await world.file(f"dependant {number}", dependsOn=[self.awaited])
        self.waiting = await world.file("waits for all", dependsOn=held)

    async def _fill_conflicts(self, claims: list[Claim]) -> None:
        """The first attempt overlaps with all others, and the second with the third."""
        project = (await self.world.get("/api/projects/p0"))["id"]
        common = {"project_id": project, "agent_id": self.agent.id}
        rows = tuple(
            LiveWork(**common, task_id=one.task_id, attempt=one.attempt, fence=one.fence, commit="a" * 40)
            for one in claims
        )
        await self.world.store.apply(ShareLiveWork(**common, present=rows))
        pairs = [*((claims[0], other) for other in claims[1:]), (claims[1], claims[2])]
        found = tuple(
            FoundOverlap(
                task_id=one.task_id,
                fence=one.fence,
                other_task_id=other.task_id,
                other_attempt=other.attempt,
                files=("x",),
            )
            for one, other in pairs
        )
        ids = {one.task_id: new_id() for one in claims}
        await self.world.store.apply(NoteOverlaps(**common, found=found, names={}, message_ids=ids))

    async def _fill_queue(self) -> None:
        """Results in the merge queue of a project."""
        world = self.world
        project = await world.post("/api/projects", {"name": "s0", "repoUrl": "https://example.com/queue.git"})
        await world.call("PUT", "/api/projects/s0/queue", json={"check": "true"})
        await world.post("/api/projects/s0/queue/off")
        for _ in range(MANY):
            await world.store.apply(EnterQueue(project_id=project["id"], task_id=new_id(), actor="operator"))

    async def _fill_swarm(self) -> None:
        """Tasks and messages of a swarm, while nobody is in it."""
        for number in range(MANY):
            await self.world.post("/swarms/s0/tasks", {"title": f"t{number}"})
            await self.world.post("/swarms/s0/chat", {"message": f"m{number}"})

    def path(self, pattern: str) -> str:
        """The path of what there is much of."""
        identifier = self.agent.id if pattern.startswith("/api/agents") else self.tried
        identifier = self.said if pattern.startswith("/api/messages") else identifier
        named = pattern.replace("{name}", "c0").replace("{namespace}", "swarm").replace("{idOrName}", "s0")
        return named.replace(ID, identifier).replace(NUMBER, str(MANY + 1))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def full(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Full]:
    async with opened(Path(tmp_path_factory.mktemp("lists"))) as world:
        full = Full(world)
        await full.fill()
        yield full


def readings() -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Path, operation and schema of the answer of every documented GET."""
    for path, methods in app().openapi()["paths"].items():
        if "get" in methods:
            yield path, methods["get"], methods["get"]["responses"]["200"]["content"].get("application/json", {})


def arrays(value: Any, seen: frozenset[str] = frozenset(), where: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every array in a schema, with its place, references followed."""
    if isinstance(value, list):
        for one in value:
            yield from arrays(one, seen, where)
    elif isinstance(value, Mapping):
        name = str(value.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            yield from arrays(app().openapi()["components"]["schemas"][name], seen | {name}, where)
        if value.get("type") == "array":
            yield where, value
        for key, inner in value.items():
            if key == "properties":
                for field, schema in inner.items():
                    yield from arrays(schema, seen, f"{where}.{field}")
            elif key not in ("enum", "required", "default", "examples"):
                yield from arrays(inner, seen, where)


def bound_of(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of `limit`."""
    found = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    return dict(found["limit"])


def test_given_every_reading_then_each_list_in_its_answer_says_how_long_it_gets() -> None:
    endless = [
        f"GET {path} {where}"
        for path, _, answer in readings()
        for where, array in arrays(answer)
        if not 0 < array.get("maxItems", 0) <= WHOLE.get((path, where), PAGE_MAX)
    ]
    assert not endless, "say with maxItems how long these get, and keep to it"


def test_given_every_reading_with_a_list_then_this_page_knows_of_which_kind_it_is() -> None:
    listing = {path for path, _, answer in readings() if any(True for _ in arrays(answer))}
    assert listing == {*PAGED, *FEEDS, *DETAILS}


def test_given_every_list_with_pages_then_it_takes_a_limit_and_a_place_and_tells_the_next() -> None:
    for path, operation, answer in readings():
        if path not in {*PAGED, *FEEDS}:
            continue
        names = {parameter["name"] for parameter in operation["parameters"]}
        model = app().openapi()["components"]["schemas"][answer["schema"]["$ref"].rpartition("/")[2]]
        following = "nextCursor" if path in PAGED else FEEDS[path][1]
        assert {"limit", "cursor" if path in PAGED else "after"} <= names, path
        assert following in model["required"], path
        assert bound_of(operation)["maximum"] == PAGE_MAX, path


@pytest.mark.parametrize("path", [*PAGED, *FEEDS])
async def test_given_a_limit_above_the_bound_when_a_list_is_read_then_it_is_refused(full: Full, path: str) -> None:
    answer = await full.world.call("GET", full.path(path), params={"limit": PAGE_MAX + 1})

    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == "query.limit"


@pytest.mark.parametrize("path", PAGED)
async def test_given_more_than_a_page_when_it_is_read_with_the_largest_limit_then_no_more_comes_and_there_is_a_next(
    full: Full, path: str
) -> None:
    rows, _ = PAGED[path]
    largest = await full.world.get(full.path(path), params={"limit": PAGE_MAX})
    default = await full.world.get(full.path(path))

    assert (len(largest[rows]), len(default[rows])) == (PAGE_MAX, PAGE_DEFAULT)
    assert largest["nextCursor"]
    assert default["nextCursor"]


@pytest.mark.parametrize("path", PAGED)
async def test_given_more_than_a_page_when_the_cursor_is_followed_then_each_row_comes_once_and_the_end_is_null(
    full: Full, path: str
) -> None:
    rows, key = PAGED[path]
    seen: list[Any] = []
    query: dict[str, Any] = {"limit": 29}
    while True:
        page = await full.world.get(full.path(path), params=query)
        seen += [row[key] for row in page[rows]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]

    assert len(seen) == len(set(seen)) >= MANY


@pytest.mark.parametrize("path", PAGED)
@pytest.mark.parametrize("cursor", ["nonsense", "%00", "AA", "LTE", "MTIzNDU2Nzg5MDEyMw", "x" * 3000])
async def test_given_a_cursor_that_no_page_gave_when_a_list_is_read_then_it_is_refused(
    full: Full, path: str, cursor: str
) -> None:
    answer = await full.world.call("GET", f"{full.path(path)}?cursor={cursor}")

    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"].endswith("cursor")


@pytest.mark.parametrize("path", FEEDS)
async def test_given_more_than_a_page_when_a_feed_is_read_after_each_page_then_each_row_comes_once(
    full: Full, path: str
) -> None:
    rows, following = FEEDS[path]
    seen: list[str] = []
    after = 0
    while True:
        page = await full.world.get(full.path(path), params={"after": after, "limit": PAGE_MAX})
        assert len(page[rows]) <= PAGE_MAX
        seen += [str(row) for row in page[rows]]
        if page[following] == after:
            break
        after = page[following]

    assert len(seen) == len(set(seen)) == after >= MANY


async def test_given_very_many_of_everything_when_one_thing_is_read_then_its_lists_have_an_end(full: Full) -> None:
    awaited = await full.world.get(f"/api/tasks/{full.awaited}")
    waiting = await full.world.get(f"/api/tasks/{full.waiting}")
    explained = await full.world.get(f"/api/tasks/{full.waiting}/explain")
    agent = await full.world.get(f"/api/agents/{full.agent.id}")
    overview = await full.world.get("/api/overview")

    assert len(awaited["dependants"]) == PAGE_MAX
    assert len(waiting["dependsOn"]) == MANY
    assert len(explained["reasons"]) == PAGE_MAX
    assert len(agent["currentTasks"]) == PAGE_MAX
    assert (len(overview["running"]), len(overview["waiting"])) == (PAGE_MAX, 20)
