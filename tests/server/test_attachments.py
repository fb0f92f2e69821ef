"""`/api/tasks/{id}/attachments`: small files that attempts leave with their tasks, and nobody else."""

import base64
from typing import Any

import pytest
from tests.server.mcp.speaking import says
from tests.server.world import API_KEY, Claim, World

from agent_swarm.domain.attachments import BYTES, PER_ATTEMPT
from agent_swarm.domain.tasks import FailureClass

pytestmark = pytest.mark.anyio

PICTURE = bytes(range(256))


@pytest.fixture
async def world(world_on_every_store: World) -> World:
    return world_on_every_store


async def running(world: World, name: str = "ada") -> Claim:
    agent = await world.register(name)
    await world.file(agentId=agent.id)
    return await world.take(agent)


async def put(world: World, claim: Claim, name: str, token: str | None = None, **body: Any) -> Any:
    """The status and the answer."""
    where = f"/api/tasks/{claim.task_id}/attachments/{name}"
    answer = await world.call("PUT", where, json=body, token=token or claim.token)
    return answer.status_code, answer.json()


async def names(world: World, claim: Claim, **params: str) -> list[tuple[str, int]]:
    found = await world.get(f"/api/tasks/{claim.task_id}/attachments", params=params)
    return [(one["name"], one["attempt"]) for one in found["attachments"]]


async def attached(world: World) -> list[dict[str, Any]]:
    """What the events say."""
    events = await world.store.read(lambda queries: queries.events_after(0, limit=1_000))
    return [dict(event.data) for event in events if event.type == "task.attached"]


async def test_given_texts_and_bytes_when_an_attempt_leaves_them_then_everybody_who_sees_the_task_reads_them(
    world: World,
) -> None:
    claim = await running(world)
    status, told = await put(world, claim, "report.md", text="# Done ✓\n", mediaType="text/markdown")
    assert (status, told["mediaType"], told["bytes"], told["attempt"]) == (200, "text/markdown", 11, 1)
    picture = base64.b64encode(PICTURE).decode()
    assert (await put(world, claim, "screen.png", base64=picture, mediaType="image/png"))[0] == 200

    assert await names(world, claim) == [("report.md", 1), ("screen.png", 1)]
    read = await world.get(f"/api/tasks/{claim.task_id}/attachments/report.md")
    assert (read["text"], read["base64"]) == ("# Done ✓\n", None)
    read = await world.get(f"/api/tasks/{claim.task_id}/attachments/screen.png")
    assert (read["text"], read["base64"], read["mediaType"]) == (None, picture, "image/png")
    assert await attached(world) == [
        {"name": "report.md", "mediaType": "text/markdown", "bytes": 11, "isNew": True},
        {"name": "screen.png", "mediaType": "image/png", "bytes": 256, "isNew": True},
    ]


async def test_given_a_file_when_it_is_left_again_then_the_later_one_counts_and_the_same_changes_nothing(
    world: World,
) -> None:
    claim = await running(world)
    for text in ("one", "two", "two"):
        assert (await put(world, claim, "a.txt", text=text))[0] == 200
    assert (await world.get(f"/api/tasks/{claim.task_id}/attachments/a.txt"))["text"] == "two"
    assert [told["isNew"] for told in await attached(world)] == [True, False]


async def test_given_two_attempts_when_files_are_listed_then_those_of_the_latest_come_first_and_all_stay(
    world: World,
) -> None:
    agent = await world.register("ada")
    await world.file(agentId=agent.id)
    first = await world.take(agent)
    await put(world, first, "log", text="first")
    await put(world, first, "only", text="first")
    await world.fail(first, FailureClass.AGENT)
    world.clock.advance(3_600)
    second = await world.take(agent)
    await put(world, second, "log", text="second")

    assert await names(world, second) == [("log", 2), ("log", 1), ("only", 1)]
    where = f"/api/tasks/{second.task_id}/attachments/log"
    assert (await world.get(where))["text"] == "second"
    assert (await world.get(where, params={"attempt": "1"}))["text"] == "first"
    page = await world.get(f"/api/tasks/{second.task_id}/attachments", params={"limit": "2"})
    rest = await names(world, second, limit="2", cursor=page["nextCursor"])
    assert rest == [("only", 1)]


async def test_given_what_may_not_be_kept_when_it_is_left_then_it_is_said_why_and_nothing_is_kept(world: World) -> None:
    claim = await running(world)
    refused = {
        "no content": ("a", {}),
        "two contents": ("a", {"text": "a", "base64": "YQ=="}),
        "no base64": ("a", {"base64": "?"}),
        "a path": ("..%2Fa", {"text": "a"}),
        "a hidden one": (".a", {"text": "a"}),
        "a media type": ("a", {"text": "a", "mediaType": "text\n"}),
    }
    for what, (name, body) in refused.items():
        status, told = await put(world, claim, name, **body)
        assert status in (404, 422), (what, status, told)
    many = base64.b64encode(b"\xff" * (BYTES + 1)).decode()
    assert (await put(world, claim, "big", base64=many))[0] in (413, 422)
    assert await names(world, claim) == []


async def test_given_as_many_files_as_may_be_when_one_more_is_left_then_it_is_refused_and_others_may_change(
    world: World,
) -> None:
    claim = await running(world)
    for number in range(PER_ATTEMPT):
        assert (await put(world, claim, f"f{number}", text="x"))[0] == 200
    status, told = await put(world, claim, "more", text="x")
    assert (status, told["error"]["details"]) == (409, {"limit": PER_ATTEMPT})
    assert (await put(world, claim, "f0", text="y"))[0] == 200
    assert len(await names(world, claim)) == PER_ATTEMPT


async def test_given_the_token_of_another_or_of_an_attempt_that_is_over_when_it_leaves_a_file_then_it_is_refused(
    world: World,
) -> None:
    claim, other = await running(world), await running(world, "bob")
    assert (await put(world, claim, "a", token=other.token, text="x"))[0] == 403
    assert (await put(world, claim, "a", token=API_KEY, text="x"))[0] == 403
    await world.complete(claim, "done")
    assert (await put(world, claim, "a", text="x"))[0] == 401
    assert await names(world, claim) == []


async def test_given_a_secret_in_a_file_when_it_is_left_then_it_is_taken_out_also_where_it_came_as_base64(
    world: World,
) -> None:
    claim = await running(world)
    world.app.context.redactor.register(["hunter2hunter2"])
    await put(world, claim, "a", text="it is hunter2hunter2")
    await put(world, claim, "b", base64=base64.b64encode(f"{claim.token} hunter2hunter2".encode()).decode())
    for name in ("a", "b"):
        text = (await world.get(f"/api/tasks/{claim.task_id}/attachments/{name}"))["text"]
        assert "hunter2" not in text
        assert claim.token not in text


async def test_given_a_tool_call_with_files_when_an_agent_tells_its_progress_then_they_are_left_with_its_task(
    world: World,
) -> None:
    claim = await running(world)
    files = [{"name": "a.md", "text": "hello"}, {"name": "b.bin", "base64": base64.b64encode(PICTURE).decode()}]
    await says(world, "store-progress", {"progress": "half", "attachments": files}, token=claim.token)
    assert await names(world, claim) == [("a.md", 1), ("b.bin", 1)]
    assert (await world.get(f"/api/tasks/{claim.task_id}"))["progress"] == "half"
