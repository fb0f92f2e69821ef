"""A worker's radar on real repositories, with a server that keeps what it is told."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from agent_swarm.domain.errors import Conflict
from agent_swarm.domain.overlaps import MOST_FILES
from agent_swarm.protocol.pool import FrameType
from agent_swarm.protocol.pool_radar import Live, Overlap, Overlaps
from agent_swarm.worker.link import LinkLost
from agent_swarm.worker.radar import Radar, Watched
from agent_swarm.worker.workspace import Project, Workspace, Workspaces

from .checkouts import AgentIn, Checkout, OpenHost

pytestmark = pytest.mark.anyio


class Server:
    """Answers each worker with what the others have told."""

    def __init__(self) -> None:
        self.shared: dict[str, Live] = {}
        self.told: list[Overlap] = []
        self.frames: list[FrameType] = []
        self.failing: list[Exception] = []

    def of(self, worker: str) -> Callable[[FrameType, BaseModel], Any]:
        async def request(kind: FrameType, body: BaseModel) -> dict[str, Any]:
            self.frames.append(kind)
            if self.failing:
                raise self.failing.pop()
            if isinstance(body, Overlaps):
                self.told += body.overlaps
                return {"noted": len(body.overlaps)}
            assert isinstance(body, Live)
            self.shared[worker] = body
            others = [one for name, live in self.shared.items() if name != worker for one in live.attempts]
            return {
                "others": [
                    {"task_id": one.task_id, "attempt": one.attempt, "commit": one.commit if one.published else ""}
                    for one in others
                ]
            }

        return request

    def pairs(self) -> list[tuple[str, str, tuple[str, ...]]]:
        return [(one.task_id, one.other_task_id, one.files) for one in self.told]


class Crew:
    """One worker with what its agents are at work on."""

    def __init__(self, host: Workspaces, server: Server, name: str) -> None:
        self.host, self.runs = host, list[Workspace]()
        self.radar = Radar(host, server.of(name), lambda: [Watched(run, 1) for run in self.runs])
        self.radar.every(30)

    async def begin(self, project: Project, task_id: str) -> Workspace:
        self.runs.append(await self.host.prepare(project, task_id, 1))
        return self.runs[-1]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def tasks() -> list[str]:
    """Ids in their order."""
    return sorted(str(uuid4()) for _ in range(3))


async def test_given_agents_of_one_worker_when_they_overlap_then_it_is_told_once_and_nothing_leaves_the_host(
    host: Workspaces, server: Server, project: Project, tasks: list[str], agent_in: AgentIn, origin: Checkout
) -> None:
    crew = Crew(host, server, "one")
    runs = [await crew.begin(project, task_id) for task_id in tasks]
    for number in (0, 2):
        agent_in(runs[number]).write("README", f"by {number}\n")
    await crew.radar.look()
    assert server.pairs() == [(tasks[0], tasks[2], ("README",))]
    await crew.radar.look()
    assert server.frames == [FrameType.LIVE, FrameType.OVERLAPS, FrameType.LIVE]
    agent_in(runs[2]).write("README", "by 0\n")
    await crew.radar.look()
    assert server.pairs()[1:] == [(tasks[0], tasks[2], ())]
    assert origin.refs("refs/swarm") == {}


@pytest.mark.parametrize("first", ["one", "two"])
async def test_given_agents_of_two_workers_when_they_overlap_then_the_worker_of_the_smaller_task_tells(
    first: str,
    open_host: OpenHost,
    server: Server,
    project: Project,
    tasks: list[str],
    agent_in: AgentIn,
    origin: Checkout,
) -> None:
    crews = {name: Crew(await open_host(name), server, name) for name in ("one", "two")}
    second = next(name for name in crews if name != first)
    for name, task_id in ((first, tasks[0]), (second, tasks[1])):
        agent_in(await crews[name].begin(project, task_id)).write("README", f"by {name}\n")
    await crews[second].radar.look()
    assert origin.refs("refs/swarm") == {}
    await crews[first].radar.look()
    await crews[second].radar.look()
    assert len(origin.refs("refs/swarm/live")) == 2
    assert server.told == []
    await crews[first].radar.look()
    assert server.pairs() == [(tasks[0], tasks[1], ("README",))]
    for name in (first, second):
        crews[name].runs.clear()
        await crews[name].radar.look()
    assert origin.refs("refs/swarm/live") == {}
    assert [live.attempts for live in server.shared.values()] == [(), ()]


async def test_given_snapshots_of_a_killed_worker_when_another_looks_in_company_then_they_are_swept(
    open_host: OpenHost, server: Server, project: Project, tasks: list[str], desk: Checkout, origin: Checkout
) -> None:
    desk.git("push", "--quiet", "origin", f"main:refs/swarm/live/{tasks[2]}/1")
    crews = {name: Crew(await open_host(name), server, name) for name in ("one", "two")}
    for name, task_id in zip(crews, tasks, strict=False):
        await crews[name].begin(project, task_id)
    for _ in range(2):
        for crew in crews.values():
            await crew.radar.look()
    assert set(origin.refs("refs/swarm/live")) == {f"refs/swarm/live/{task_id}/1" for task_id in tasks[:2]}


async def test_given_a_report_that_was_lost_when_it_looks_again_then_it_is_told_again(
    host: Workspaces, server: Server, project: Project, tasks: list[str], agent_in: AgentIn
) -> None:
    crew = Crew(host, server, "one")
    for task_id in tasks[:2]:
        agent_in(await crew.begin(project, task_id)).write("README", f"by {task_id}\n")
    for lost in (LinkLost("gone"), Conflict("not now"), RuntimeError("what")):
        server.failing = [lost]
        await crew.radar.look()
    assert server.told == []
    await crew.radar.look()
    assert len(server.told) == 1


async def test_given_an_attempt_that_comes_back_when_it_overlaps_still_then_it_is_told_anew(
    host: Workspaces, server: Server, project: Project, tasks: list[str], agent_in: AgentIn
) -> None:
    crew = Crew(host, server, "one")
    for task_id in tasks[:2]:
        agent_in(await crew.begin(project, task_id)).write("README", f"by {task_id}\n")
    await crew.radar.look()
    away = crew.runs.pop()
    await crew.radar.look()
    crew.runs.append(away)
    await crew.radar.look()
    assert server.pairs() == [(tasks[0], tasks[1], ("README",))] * 2


async def test_given_a_server_that_wants_it_no_more_when_it_would_look_then_everything_is_forgotten(
    open_host: OpenHost, server: Server, project: Project, tasks: list[str], origin: Checkout
) -> None:
    crews = {name: Crew(await open_host(name), server, name) for name in ("one", "two")}
    for name, task_id in zip(crews, tasks, strict=False):
        await crews[name].begin(project, task_id)
    for crew in (*crews.values(), *crews.values()):
        await crew.radar.look()
    assert len(origin.refs("refs/swarm/live")) == 2
    crews["one"].radar.every(0)
    await crews["one"].radar.look()
    assert set(origin.refs("refs/swarm/live")) == {f"refs/swarm/live/{tasks[1]}/1"}
    assert server.shared["one"].attempts == ()


async def test_given_many_files_in_conflict_when_they_are_told_then_their_number_is_bounded(
    host: Workspaces, server: Server, project: Project, tasks: list[str], agent_in: AgentIn
) -> None:
    crew = Crew(host, server, "one")
    for task_id in tasks[:2]:
        agent = agent_in(await crew.begin(project, task_id))
        for number in range(MOST_FILES + 5):
            agent.write(f"files/{number:03}", f"{task_id}\n")
        agent.write("\udcff-name", f"{task_id}\n")
    await crew.radar.look()
    (told,) = server.told
    assert (len(told.files), told.more) == (MOST_FILES, 6)


async def test_given_a_repository_that_takes_no_such_refs_when_it_looks_then_own_attempts_are_compared_all_the_same(
    open_host: OpenHost,
    server: Server,
    project: Project,
    tasks: list[str],
    agent_in: AgentIn,
    origin: Checkout,
) -> None:
    origin.git("config", "receive.hideRefs", "refs/swarm")
    crews = {name: Crew(await open_host(name), server, name) for name in ("one", "two")}
    for name, task_id in zip(("one", "one", "two"), tasks, strict=True):
        agent_in(await crews[name].begin(project, task_id)).write("README", f"by {task_id}\n")
    for _ in range(2):
        for crew in crews.values():
            await crew.radar.look()
    assert server.pairs() == [(tasks[0], tasks[1], ("README",))]


async def test_given_a_git_that_cannot_merge_in_memory_when_the_server_wants_it_then_the_radar_is_off(
    host: Workspaces, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def old(_: Workspaces) -> tuple[int, ...]:
        return (2, 38, 5)

    monkeypatch.setattr(Workspaces, "git_version", old)
    radar = Crew(host, server, "one").radar
    radar.every(0.001)
    await radar.run()
    assert "git 2.38.5 cannot merge in memory; it takes 2.39 or newer" in capsys.readouterr().out
