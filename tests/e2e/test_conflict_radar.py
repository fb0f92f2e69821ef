"""Two workers, one repository: agents that change the same lines hear of each other while they work."""

from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_leads import git
from tests.e2e.test_messages import heard

from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = pytest.mark.slow

WORK = """\
say begun
write README <<END
{text}
END
wait-message 120
wait-for {undo}
run git checkout --quiet README
wait-for {end}
result done
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare repository, as a server has it, with one file on main."""
    desk, bare = tmp_path / "desk", tmp_path / "shop.git"
    desk.mkdir()
    git(desk, "init", "--quiet", "--initial-branch=main")
    (desk / "README").write_text("one\ntwo\n")
    git(desk, "add", "--all")
    git(desk, "commit", "--quiet", "--message", "Begin")
    git(desk, "clone", "--quiet", "--bare", str(desk), str(bare))
    return bare


class Shop:
    """A swarm with a project and two agents, each on a host of its own."""

    def __init__(self, swarm: RealSwarm, repository: Path) -> None:
        self.swarm = swarm
        swarm.start_server(variables={"AGENT_SWARM_RADAR_SECONDS": "0.2"})
        self.agents = [swarm.start_worker(host=host, variables={"HARNESS_PROVIDER": "script"}) for host in ("a", "b")]
        swarm.wait_until(lambda: len(swarm.call("GET", "/api/agents")["agents"]) == 2, "the agents are there")
        self.project = swarm.call("POST", "/api/projects", {"name": "shop", "repoUrl": str(repository)})["id"]

    def mark(self, name: str) -> Path:
        return self.swarm.marks / name

    def begun(self, number: int, text: str) -> str:
        """A task whose agent has changed the README; it takes the change back, and ends, at marks."""
        undo, end = self.mark(f"undo{number}"), self.mark(f"end{number}")
        body = {
            "title": f"Number {number}",
            "prompt": WORK.format(text=text, undo=undo, end=end),
            "harness": "script",
            "agentId": self.agents[number],
            "project": self.project,
        }
        task_id: str = self.swarm.call("POST", "/api/tasks", body)["id"]
        self.swarm.wait_until(lambda: "begun" in "\n".join(heard(self.swarm, task_id)), "the agent is at work")
        return task_id

    def conflicts(self) -> list[Any]:
        found: list[Any] = self.swarm.call("GET", "/api/conflicts?project=shop")["conflicts"]
        return found

    def overlaps(self, task_id: str) -> list[Any]:
        told = self.swarm.call("GET", f"/api/tasks/{task_id}/explain")
        return [reason for reason in told["reasons"] if reason["code"] == "overlaps"]

    def told(self, event: str) -> list[Any]:
        return [one for one in self.swarm.events() if one["type"] == event]


def test_given_two_agents_that_change_the_same_lines_when_they_work_then_both_hear_of_it_until_one_takes_it_back(
    swarm: RealSwarm, repository: Path
) -> None:
    shop = Shop(swarm, repository)
    tasks = [shop.begun(number, f"by number {number}\ntwo") for number in (0, 1)]

    swarm.wait_until(lambda: len(shop.conflicts()) == 1, "the overlap is there")
    for task_id, other in (tasks, tasks[::-1]):
        swarm.wait_until(lambda: "would not merge" in "\n".join(heard(swarm, task_id)), "its agent was told")  # noqa: B023
        (reason,) = shop.overlaps(task_id)
        assert (reason["details"]["taskId"], reason["details"]["files"]) == (other, ["README"])
    (conflict,) = shop.conflicts()
    assert {side["title"] for side in conflict["attempts"]} == {"Number 0", "Number 1"}
    assert conflict["files"] == ["README"]

    shop.mark("undo0").touch()
    swarm.wait_until(lambda: not shop.conflicts(), "the overlap is gone")
    assert shop.overlaps(tasks[0]) == shop.overlaps(tasks[1]) == []
    for number in (1, 0):
        shop.mark(f"undo{number}").touch()
        shop.mark(f"end{number}").touch()
    swarm.wait_for_all(2)

    (found,) = shop.told("project.overlapFound")
    assert sorted((found["data"]["taskId"], found["data"]["otherTaskId"])) == sorted(tasks)
    assert found["data"]["files"] == ["README"]
    assert len(shop.told("project.overlapGone")) == 1
    assert len([one for one in shop.told("message.posted") if one["actor"] == "system"]) == 2
    for task_id in tasks:
        assert "\n".join(heard(swarm, task_id)).count("would not merge") == 1
    swarm.wait_until(
        lambda: not git(repository, "for-each-ref", "refs/swarm/live"), "the live snapshots are taken away"
    )


def test_given_a_worker_that_is_killed_when_its_attempt_is_over_then_its_overlap_is_gone(
    swarm: RealSwarm, repository: Path
) -> None:
    shop = Shop(swarm, repository)
    tasks = [shop.begun(number, f"by number {number}\ntwo") for number in (0, 1)]
    swarm.wait_until(lambda: len(shop.conflicts()) == 1, "the overlap is there")

    swarm.kill_worker(shop.agents[0])
    swarm.call("POST", f"/api/tasks/{tasks[0]}/cancel")

    assert shop.conflicts() == shop.overlaps(tasks[1]) == []
    swarm.wait_until(lambda: len(shop.told("project.overlapGone")) == 1, "the overlap is gone")
    swarm.stop_worker(shop.agents[1])
