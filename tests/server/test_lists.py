"""Lists: filters, and pages that neither skip nor repeat while tasks come in."""

import pytest
from tests.server.world import World

pytestmark = pytest.mark.anyio


async def test_given_tasks_coming_in_when_the_list_is_paged_then_none_is_seen_twice_or_missed(world: World) -> None:
    first = []
    for number in range(25):
        first.append(await world.file(f"t{number}"))
        world.clock.advance(number % 3)  # some of them share an instant

    seen: list[str] = []
    cursor = ""
    while True:
        page = await world.get("/api/tasks", params={"limit": 4, "cursor": cursor})
        seen += [task["id"] for task in page["tasks"]]
        await world.file("meanwhile")
        if page["nextCursor"] is None:
            break
        cursor = page["nextCursor"]

    assert sorted(seen) == sorted(first)


async def test_given_as_many_tasks_as_the_limit_when_the_list_is_read_then_there_is_no_next_page(world: World) -> None:
    for _ in range(3):
        await world.file()

    assert (await world.get("/api/tasks", params={"limit": 3}))["nextCursor"] is None


async def test_given_tasks_of_all_kinds_when_the_list_is_filtered_then_only_those_are_shown(world: World) -> None:
    project = await world.post("/api/projects", {"name": "site", "repoUrl": "https://example.com/site.git"})
    ada = await world.register()
    running = await world.file("running", priority=100)
    await world.take(ada)
    root = await world.file("root", tags=["ui"])
    child = await world.file("child", parentTaskId=root, project=project["id"])
    blocked = await world.file("blocked", dependsOn=[root])

    async def shown(**query: str) -> set[str]:
        return {task["title"] for task in (await world.get("/api/tasks", params=query))["tasks"]}

    assert await shown(status="running,blocked") == {"running", "blocked"}
    assert await shown(agentId=ada.id) == {"running"}
    assert await shown(project="site") == await shown(project=project["id"]) == {"child"}
    assert await shown(root=root) == {"root", "child"}
    assert await shown(parent=root) == {"child"}
    assert await shown(tag="ui") == {"root"}
    assert await shown(status="", tag="") == {"running", "root", "child", "blocked"}
    assert {running, child, blocked}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=sleeping", "query.status"),
        ("limit=0", "query.limit"),
        ("limit=201", "query.limit"),
        ("limit=many", "query.limit"),
        ("limit=99999999999999999999999", "query.limit"),
        ("agentId=ada", "query.agentId"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4x", "cursor"),
        ("project=nowhere", "project"),
        ("tag=%00", "query.tag"),
        ("statsu=pending", "query.statsu"),
        ("%ff=1", "query"),
    ],
)
async def test_given_a_bad_parameter_when_the_list_is_read_then_the_refusal_names_it(
    world: World, query: str, field: str
) -> None:
    answer = await world.call("GET", f"/api/tasks?{query}")

    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"].startswith(field)


async def test_given_more_parameters_than_anybody_needs_when_they_are_sent_then_they_are_refused(world: World) -> None:
    answer = await world.call("GET", "/api/tasks?" + "&".join(["tag=x"] * 500))

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalidInput")
