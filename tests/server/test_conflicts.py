"""Conflicts as people see them: the list, and what an explanation says. What workers may tell of them."""

from pathlib import Path
from typing import Any

import pytest
from tests.server.world import Claim, RegisteredAgent, World, opened

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.overlaps import PATH_CHARS
from agent_swarm.protocol.pool_radar import Live, LiveAttempt, LiveReply, Overlap, Overlaps
from agent_swarm.store.families.live_work import LIVE_WORK

pytestmark = pytest.mark.anyio
COMMIT = "a" * 40


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> Any:
    address = "memory:" if request.param == "memory" else tmp_path / "swarm.sqlite"
    async with opened(tmp_path, address=address) as world:
        yield world


class Scene:
    """Agents at work on one project, one attempt each, in the order of their tasks' ids."""

    def __init__(self, world: World, project: str, agents: list[RegisteredAgent], claims: list[Claim]) -> None:
        self.world, self.project, self.agents, self.claims = world, project, agents, claims

    async def share(self, number: int, *, published: bool = True, **changed: Any) -> LiveReply:
        claim = self.claims[number]
        one = {"task_id": claim.task_id, "fence": claim.fence, "attempt": claim.attempt, "commit": COMMIT, **changed}
        told = Live(project_id=self.project, attempts=(LiveAttempt(published=published, **one),))
        return await self.world.app.pool.radar.share(told, agent_id=self.agents[number].id)

    async def note(self, one: int, other: int, *files: str, more: int = 0) -> int:
        mine, theirs = self.claims[one], self.claims[other]
        overlap = Overlap(
            task_id=mine.task_id,
            fence=mine.fence,
            other_task_id=theirs.task_id,
            other_attempt=theirs.attempt,
            files=files,
            more=more,
        )
        told = Overlaps(project_id=self.project, overlaps=(overlap,))
        return await self.world.app.pool.radar.note(told, agent_id=self.agents[one].id)

    async def rows(self) -> list[str]:
        found = await self.world.store.read(lambda queries: queries.scan(LIVE_WORK, self.project, limit=100))
        return [row.task_id for row in found]

    async def conflicts(self, query: str = "") -> list[Any]:
        found: list[Any] = (await self.world.get(f"/api/conflicts{query}"))["conflicts"]
        return found

    async def overlaps(self, number: int) -> list[Any]:
        told = await self.world.get(f"/api/tasks/{self.claims[number].task_id}/explain")
        return [reason for reason in told["reasons"] if reason["code"] == "overlaps"]


async def scene_of(world: World, *names: str, project: str = "shop") -> Scene:
    made = await world.post("/api/projects", {"name": project, "repoUrl": f"https://git.example/{project}.git"})
    found = []
    for name in names:
        agent = await world.register(name)
        await world.file(f"work of {name}", title=f"of {name}", agentId=agent.id, project=project)
        found.append((await world.take(agent), agent))
    found.sort(key=lambda one: one[0].task_id)
    return Scene(world, made["id"], [agent for _, agent in found], [claim for claim, _ in found])


@pytest.fixture
async def scene(world: World) -> Scene:
    return await scene_of(world, "ada", "bob", "eve")


async def test_given_an_overlap_when_people_look_then_the_list_and_both_explanations_name_it(scene: Scene) -> None:
    for number in range(3):
        await scene.share(number)
    assert await scene.note(0, 1, "src/a.py", "src/b.py", more=4) == 1

    (shown,) = await scene.conflicts("?project=shop")
    assert (shown["projectId"], shown["projectName"], shown["files"]) == (
        scene.project,
        "shop",
        ["src/a.py", "src/b.py"],
    )
    assert shown["more"] == 4
    assert [side["taskId"] for side in shown["attempts"]] == [claim.task_id for claim in scene.claims[:2]]
    assert [side["title"] for side in shown["attempts"]] == ["of ada", "of bob"]
    for number, other, name in ((0, 1, "bob"), (1, 0, "ada")):
        (reason,) = await scene.overlaps(number)
        assert reason["details"]["taskId"] == scene.claims[other].task_id
        assert f"that of agent {name} at task" in reason["message"]
        assert "'src/a.py', 'src/b.py' and 4 more" in reason["message"]
    assert await scene.overlaps(2) == []


@pytest.mark.parametrize("ended", [0, 1])
async def test_given_an_overlap_when_an_attempt_has_ended_then_it_is_not_shown_whoever_has_yet_to_remove_it(
    scene: Scene, ended: int
) -> None:
    for number in range(3):
        await scene.share(number)
    await scene.note(0, 1, "a.py")
    await scene.world.complete(scene.claims[ended])
    assert await scene.conflicts() == []
    assert await scene.overlaps(1 - ended) == []
    assert len(await scene.rows()) == 3
    await scene.share(2)
    assert len(await scene.rows()) == 2


@pytest.mark.parametrize(
    "changed",
    [{"fence": 7}, {"attempt": 2}, {"task_id": "others"}, {"task_id": new_id()}],
    ids=["another fence", "another attempt", "another's task", "no task"],
)
async def test_given_an_attempt_that_is_not_the_agents_when_it_is_shared_then_it_does_not_count(
    scene: Scene, changed: dict[str, Any]
) -> None:
    if changed.get("task_id") == "others":
        changed = {"task_id": scene.claims[1].task_id, "fence": scene.claims[1].fence}
    await scene.share(0, **changed)
    assert await scene.rows() == []


async def test_given_an_attempt_at_another_project_when_it_is_shared_then_it_does_not_count(
    scene: Scene, world: World
) -> None:
    other = await scene_of(world, "zoe", project="site")
    own, scene.project = scene.project, other.project
    await scene.share(0)
    scene.project = own
    assert await other.rows() == await scene.rows() == []


async def test_given_a_snapshot_that_nobody_can_fetch_when_others_hear_of_it_then_its_commit_is_left_out(
    scene: Scene,
) -> None:
    await scene.share(0, published=False)
    (other,) = (await scene.share(1)).others
    assert (other.task_id, other.commit) == (scene.claims[0].task_id, "")
    await scene.share(0)
    assert [one.commit for one in (await scene.share(1)).others] == [COMMIT]


async def test_given_names_of_files_with_secrets_and_odd_characters_when_they_are_told_then_they_are_cleaned(
    scene: Scene,
) -> None:
    for number in range(2):
        await scene.share(number)
    secret = "ghp_" + "a1B2" * 9
    await scene.note(0, 1, f"keys/{secret}", "nul\x00", "x" * PATH_CHARS)
    (shown,) = await scene.conflicts()
    assert secret not in str(shown)
    assert shown["files"][1:] == ["nul\ufffd", "x" * PATH_CHARS]


async def test_given_several_overlaps_when_pages_are_read_then_each_is_there_once(scene: Scene, world: World) -> None:
    other = await scene_of(world, "zoe", "max", project="site")
    for one in (scene, other):
        for number in range(len(one.claims)):
            await one.share(number)
    for pair in ((0, 1), (0, 2), (1, 2)):
        await scene.note(*pair, "a.py")
    await other.note(0, 1, "b.py")

    seen: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = await world.get(f"/api/conflicts?limit=1{f'&cursor={cursor}' if cursor else ''}")
        seen += page["conflicts"]
        cursor = page["nextCursor"]
    assert [one["files"] for one in seen].count(["a.py"]) == 3
    assert len(seen) == len({tuple(side["taskId"] for side in one["attempts"]) for one in seen}) == 4
    assert len(await scene.conflicts(f"?project={other.project}")) == 1
    refused = await world.call("GET", "/api/conflicts?project=nobody")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "notFound")
