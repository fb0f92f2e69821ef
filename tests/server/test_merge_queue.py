"""Merge queues over REST and by the server: what is checked, what comes of verdicts, and what people ask."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.server.world import Claim, World

from agent_swarm.domain import commands
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.merge_queue import HOPS, LANDING, Said, Verdict
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.server.merge_queues import MergeQueueRunner
from agent_swarm.services.merge_queue import stepping
from agent_swarm.services.tasks import Rules
from agent_swarm.store.base import Queries
from agent_swarm.store.operations import StepQueue
from agent_swarm.store.records import AttemptReport

pytestmark = pytest.mark.anyio

QUEUE = "/api/projects/shop/queue"
ENTRIES = f"{QUEUE}/entries"
BASE, TIP = "b" * 40, "c" * 40


async def move_on(world: World) -> None:
    """The server does what is due."""
    await MergeQueueRunner(world.store, world.app.context.rules).run_once()


async def have(world: World, **settings: Any) -> None:
    """A project `shop` with a queue into which results enter by themselves."""
    await world.post("/api/projects", {"name": "shop", "repoUrl": "https://example.com/shop.git"})
    body = {"check": "make test", "automatic": True, **settings}
    assert (await world.call("PUT", QUEUE, json=body)).status_code == 200


async def delivered(world: World, title: str = "t", **fields: Any) -> str:
    """A task of the project that somebody has completed, with a commit."""
    agent = next((one for one in world.agents.values() if LANDING not in one.profile.capabilities), None)
    agent = agent or await world.register()
    task_id = await world.file(f"do {title}", title=title, project="shop", **fields)
    await complete(world, await world.take(agent))
    return task_id


async def complete(world: World, claim: Claim) -> None:
    report = AttemptReport(text="done", branch=f"swarm/{claim.task_id}/{claim.attempt}", commit="d" * 40)
    await world.command(commands.Complete(task_id=claim.task_id, fence=claim.fence, digest="d"), report)


async def checker(world: World) -> Claim:
    """The worker that checks takes the next check."""
    agent = next((one for one in world.agents.values() if LANDING in one.profile.capabilities), None)
    agent = agent or await world.register("checker", capabilities=(LANDING, "harness.shell"))
    return await world.take(agent)


async def check(world: World, said: Said, *, text: str = "", task_id: str = "", base: str = BASE) -> list[str]:
    """A check is carried out, and the queue moved on; the results that it was about."""
    await move_on(world)
    claim = await checker(world)
    frame = await world.frame_of(claim)
    verdict = Verdict(said=said, base=base, commit=TIP if said is Said.LANDED else "", task_id=task_id)
    await world.complete(claim, text or said.value, verdict.data())
    await move_on(world)
    return [one.task_id for one in frame.dependencies]


async def entries(world: World, **query: Any) -> dict[str, dict[str, Any]]:
    found = await world.get(ENTRIES, params=query)
    return {entry["taskId"]: entry for entry in found["entries"]}


async def queue(world: World) -> dict[str, Any]:
    found: dict[str, Any] = await world.get(QUEUE)
    return found


async def refused(world: World, method: str, path: str, status: int, body: Any = None) -> dict[str, Any]:
    answer = await world.call(method, path, json=body)
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


async def test_given_results_when_a_queue_moves_on_then_they_are_checked_together_in_their_order_and_land(
    world: World,
) -> None:
    await have(world, branch="trunk")
    await delivered(world, "first")
    tasks = list(await entries(world))
    await move_on(world)
    more = [await delivered(world, title) for title in ("second", "third")]
    claim = await checker(world)
    frame = await world.frame_of(claim)
    assert (frame.prompt, frame.harness) == ("make test", "shell")
    assert frame.landing is not None
    assert frame.landing.branch == "trunk"
    assert [one.task_id for one in frame.dependencies] == tasks
    assert (await queue(world))["checking"] == tasks
    await world.complete(claim, "ok", Verdict(said=Said.LANDED, base=BASE, commit=TIP).data())

    assert sorted(await check(world, Said.LANDED)) == sorted(more)
    settled = await entries(world, settled=True)
    assert {entry["status"] for entry in settled.values()} == {"landed"}
    assert settled[tasks[0]]["commit"] == TIP
    assert await entries(world) == {}
    now = await queue(world)
    assert (now["checks"], now["landed"], now["returned"], now["checkTaskId"]) == (2, 3, 0, None)


async def test_given_an_ordinary_task_then_its_worker_is_not_told_to_land_anything(world: World) -> None:
    await have(world)
    agent = await world.register()
    await world.file("x", project="shop")
    assert (await world.frame_of(await world.claim(agent))).landing is None


async def test_given_a_culprit_then_it_goes_back_to_its_agent_with_what_the_check_said_and_enters_again(
    world: World,
) -> None:
    await have(world, largest=4, retries=0, automatic=False)
    await world.post(f"{QUEUE}/off")
    tasks = [await delivered(world, title, tags=["ui"]) for title in ("one", "two", "three")]
    for task_id in tasks:
        await world.post(ENTRIES, {"taskId": task_id})
        world.clock.advance(1)
    await world.call("PUT", QUEUE, json={})
    assert await check(world, Said.FAILED) == tasks
    assert await check(world, Said.LANDED) == tasks[:1]
    assert await check(world, Said.FAILED, base=TIP, text="two breaks one") == tasks[1:2]

    back = (await entries(world, settled=True))[tasks[1]]
    assert (back["status"], back["code"], back["message"]) == ("returned", "checkFailed", "two breaks one")
    assert back["testedWith"] == tasks[:1]
    again = await world.get(f"/api/tasks/{back['followUpId']}")
    assert (again["parentTaskId"], again["title"], again["status"]) == (tasks[1], "two", "offered")
    assert again["tags"] == ["ui", "returned"]
    prompt = again["prompt"]
    assert prompt.startswith("do two\n\n# What was done before for this came back from the merge queue of shop")
    assert "# two breaks one" in prompt
    assert tasks[0] in prompt
    assert all(line.startswith("#") for line in prompt.splitlines()[2:])

    (author,) = [one for one in world.agents.values() if LANDING not in one.profile.capabilities]
    await world.post(f"/api/tasks/{again['id']}/accept", {}, token=author.token)
    claim = await world.take(author)
    frame = await world.frame_of(claim)
    assert claim.task_id == again["id"]
    assert [one.task_id for one in frame.below] == [tasks[1]]
    await complete(world, claim)
    assert await check(world, Said.LANDED, base=TIP) == tasks[2:]
    assert await check(world, Said.LANDED, base=TIP) == [again["id"]]
    assert (await entries(world, settled=True))[again["id"]]["hops"] == 1


async def test_given_a_conflict_then_whose_result_it_is_comes_back_once_the_others_before_it_are_there(
    world: World,
) -> None:
    await have(world)
    first = await delivered(world, "one")
    assert await check(world, Said.CONFLICT, task_id=first, text="conflicts in 'both'") == [first]
    back = (await entries(world, settled=True))[first]
    assert (back["status"], back["code"], back["message"]) == ("returned", "conflict", "conflicts in 'both'")


async def test_given_work_that_came_back_too_often_then_nobody_is_asked_again(world: World) -> None:
    await have(world, retries=0)
    task_id = await delivered(world)
    for hop in range(HOPS + 1):
        assert await check(world, Said.CONFLICT, task_id=task_id) == [task_id]
        back = (await entries(world, settled=True))[task_id]
        assert back["hops"] == hop
        if back["followUpId"] is None:
            break
        task_id = back["followUpId"]
        (author,) = [one for one in world.agents.values() if LANDING not in one.profile.capabilities]
        await world.post(f"/api/tasks/{task_id}/accept", {}, token=author.token)
        await complete(world, await world.take(author))
    assert hop == HOPS
    told = await world.get(f"/api/tasks/{task_id}/explain")
    assert [reason["code"] for reason in told["reasons"]] == ["queueReturned"]


async def test_given_a_branch_that_fails_by_itself_then_the_queue_halts_and_a_person_lets_it_go_on(
    world: World,
) -> None:
    await have(world, retries=0)
    task_id = await delivered(world)
    assert await check(world, Said.FAILED) == [task_id]
    assert await check(world, Said.FAILED) == []
    halted = await queue(world)
    assert (halted["status"], halted["haltCode"], halted["waiting"]) == ("halted", "branchFails", 1)
    assert [one["code"] for one in (await world.get(f"/api/tasks/{task_id}/explain"))["reasons"]] == ["queueHalted"]
    answer = await world.call("PUT", QUEUE, json={})
    assert answer.json()["status"] == "active"
    assert await check(world, Said.LANDED) == [task_id]


@pytest.mark.parametrize("how", ["failed", "cancelled", "silent"])
async def test_given_a_check_that_tells_no_verdict_then_the_queue_halts_and_nobody_is_blamed(
    world: World, how: str
) -> None:
    await have(world)
    task_id = await delivered(world)
    await move_on(world)
    claim = await checker(world)
    if how == "failed":
        await world.fail(claim, FailureClass.POLICY)
    elif how == "cancelled":
        await world.post(f"/api/tasks/{claim.task_id}/cancel")
    else:
        await world.complete(claim)
    await move_on(world)
    halted = await queue(world)
    codes = {"failed": "exitCode", "cancelled": "checkCancelled", "silent": "noVerdict"}
    assert (halted["status"], halted["haltCode"]) == ("halted", codes[how])
    assert (await entries(world))[task_id]["status"] == "waiting"
    assert halted["returned"] == 0


async def test_given_a_queue_that_is_turned_off_while_it_checks_then_what_lands_counts_and_nothing_follows(
    world: World,
) -> None:
    await have(world, largest=1)
    tasks = [await delivered(world, title) for title in ("one", "two")]
    await move_on(world)
    claim = await checker(world)
    await world.post(f"{QUEUE}/off")
    await world.complete(claim, "ok", Verdict(said=Said.LANDED, base=BASE, commit=TIP).data())
    await move_on(world)
    assert list(await entries(world, settled=True)) == tasks[:1]
    now = await queue(world)
    assert (now["status"], now["checkTaskId"], now["waiting"]) == ("off", None, 1)
    reasons = (await world.get(f"/api/tasks/{tasks[1]}/explain"))["reasons"]
    assert [one["code"] for one in reasons] == ["queueOff"]


async def test_given_a_result_that_waits_then_explain_says_for_what(world: World) -> None:
    await have(world, largest=1)
    tasks = [await delivered(world, title) for title in ("one", "two")]
    await move_on(world)
    told = [await world.get(f"/api/tasks/{task_id}/explain") for task_id in tasks]
    assert [one["reasons"][0]["code"] for one in told] == ["queueChecking", "queueWaiting"]
    assert told[1]["reasons"][0]["details"]["position"] == 2
    await check(world, Said.LANDED)
    assert "its result is on the branch of shop" in (await world.get(f"/api/tasks/{tasks[0]}/explain"))["summary"]


async def test_given_results_when_people_put_them_in_and_take_them_out_then_it_is_so(world: World) -> None:
    await have(world, automatic=False)
    await world.post(f"{QUEUE}/off")
    task_id = await delivered(world)
    entered = await world.post(ENTRIES, {"taskId": task_id})
    assert (entered["position"], entered["enteredBy"]) == (1, "operator")
    assert await world.post(ENTRIES, {"taskId": task_id}) == entered
    dropped = await world.call("DELETE", f"{ENTRIES}/{task_id}")
    assert dropped.json()["status"] == "dropped"
    assert "taken out" in (await world.get(f"/api/tasks/{task_id}/explain"))["summary"]
    assert (await world.post(ENTRIES, {"taskId": task_id}))["status"] == "waiting"


async def test_given_what_cannot_be_merged_when_it_is_put_in_then_that_is_refused(world: World) -> None:
    await have(world)
    agent = await world.register()
    other = await world.file("x")
    open_task = await world.file("x", project="shop", agentId=agent.id)
    for task_id, said in ((other, "works on no or another project"), (open_task, "is pending")):
        error = await refused(world, "POST", ENTRIES, 422, {"taskId": task_id})
        assert said in error["message"]
    await refused(world, "POST", ENTRIES, 404, {"taskId": new_id()})
    await refused(world, "DELETE", f"{ENTRIES}/{new_id()}", 404)


async def test_given_settings_that_do_not_fit_then_each_refusal_names_the_field(world: World) -> None:
    await world.post("/api/projects", {"name": "shop", "repoUrl": "https://example.com/shop.git"})
    assert (await refused(world, "PUT", QUEUE, 422, {}))["details"]["field"] == "check"
    for body, field in (
        ({"check": " "}, "check"),
        ({"check": "x", "branch": "-x"}, "branch"),
        ({"check": "x", "largest": 0}, "largest"),
    ):
        error = await refused(world, "PUT", QUEUE, 422, body)
        assert field in error["details"]["field"]
    assert (await refused(world, "GET", QUEUE, 404))["hint"].startswith("give it one")
    await refused(world, "GET", "/api/projects/nowhere/queue", 404)
    await refused(world, "POST", f"{QUEUE}/off", 404)


async def test_given_settings_when_some_are_changed_then_the_others_stay(world: World) -> None:
    await have(world, timeoutSeconds=60, tags=["linux"], largest=3)
    before = await queue(world)
    after = (await world.call("PUT", QUEUE, json={"largest": 5})).json()
    changed = {name for name in before if before[name] != after[name]} - {"updatedAt"}
    assert changed == {"largest"}
    await delivered(world)
    await move_on(world)
    filed = await world.get(f"/api/tasks/{(await queue(world))['checkTaskId']}")
    assert filed["timeoutSeconds"] == 60
    assert filed["requires"]["tags"] == ["linux"]
    assert LANDING in filed["requires"]["capabilities"]


async def test_given_pages_of_results_when_they_are_read_then_each_comes_once(world: World) -> None:
    await have(world)
    await world.post(f"{QUEUE}/off")
    tasks = []
    for number in range(3):
        tasks.append(await delivered(world, f"t{number}"))
        await world.post(ENTRIES, {"taskId": tasks[-1]})
        world.clock.advance(1)
    seen: list[str] = []
    cursor: str | None = None
    while not seen or cursor:
        page = await world.get(ENTRIES, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += [entry["taskId"] for entry in page["entries"]]
        cursor = page["nextCursor"]
    assert seen == tasks
    answer = await world.call("GET", ENTRIES, params={"cursor": "x"})
    assert answer.status_code == 422


async def test_given_a_queue_that_cannot_be_read_then_others_move_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await world.post("/api/projects", {"name": "broken", "repoUrl": "https://example.com/broken.git"})
    real = stepping.step_of

    def step_of(project_id: str, rules: Rules) -> Callable[[Queries], StepQueue | None]:
        if project_id == project["id"]:
            raise RuntimeError("a fault of ours")
        return real(project_id, rules)

    monkeypatch.setattr("agent_swarm.server.merge_queues.step_of", step_of)
    await world.call("PUT", "/api/projects/broken/queue", json={"check": "x"})
    await have(world)
    task_id = await delivered(world)
    await move_on(world)
    assert (await queue(world))["checking"] == [task_id]
