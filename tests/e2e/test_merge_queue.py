"""The merge queue in a running swarm, with real git: what lands was checked as it lands, and culprits go back."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import two_servers

from agent_swarm.faults import Point
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = pytest.mark.slow

RESULTS, ONE, OTHER = 12, 5, 9
SEED = 20_261_128
# Results 5 and 9 break only together.
CHECK = f"""
test ! -e broken || {{ echo broken by itself; exit 1; }}
if [ -e f{ONE} ] && [ -e f{OTHER} ]; then echo f{ONE} and f{OTHER} do not go together; exit 1; fi
"""


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare repository with one commit, and a clone of it beside in `theirs`, in which a person works."""
    bare, theirs = tmp_path / "shop.git", tmp_path / "theirs"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], check=True)
    subprocess.run(["git", "clone", "--quiet", bare, theirs], check=True, capture_output=True)
    (theirs / "both").write_text("start\n")
    git(theirs, "checkout", "--quiet", "-B", "main")
    git(theirs, "add", ".")
    git(theirs, "commit", "--quiet", "--message", "Start")
    git(theirs, "push", "--quiet", "origin", "main")
    return bare


def files(repository: Path) -> set[str]:
    """What is on the branch."""
    return set(git(repository, "ls-tree", "--name-only", "main").splitlines())


def push(repository: Path, name: str, text: str = "theirs\n") -> None:
    """Somebody moves the branch."""
    theirs = repository.parent / "theirs"
    git(theirs, "pull", "--quiet", "origin", "main")
    (theirs / name).write_text(text)
    git(theirs, "add", name)
    git(theirs, "commit", "--quiet", "--message", name)
    git(theirs, "push", "--quiet", "origin", "main")


class Shop:
    """A swarm with the project `shop`, whose queue is off until `go`."""

    def __init__(self, swarm: RealSwarm, repository: Path) -> None:
        self.swarm, self.repository = swarm, repository
        swarm.start_server()
        swarm.call("POST", "/api/projects", {"name": "shop", "repoUrl": str(repository)})

    def set(self, **settings: Any) -> None:
        """Have the queue go on."""
        self.swarm.call("PUT", "/api/projects/shop/queue", settings)

    def off(self) -> None:
        self.swarm.call("POST", "/api/projects/shop/queue/off")

    def work(self, *prompts: str) -> list[str]:
        """Tasks that have completed, in this order, one by one."""
        done = []
        for number, prompt in enumerate(prompts):
            task = {"ref": "t", "title": f"result {number}", "harness": "shell", "prompt": prompt, "project": "shop"}
            done.append(self.swarm.file(task)["t"])
        self.swarm.wait_until(
            lambda: all(self.swarm.task(one)["status"] == "completed" for one in done), "the results are there"
        )
        return done

    def add(self, *tasks: str) -> None:
        """Put results in."""
        for task_id in tasks:
            self.swarm.call("POST", "/api/projects/shop/queue/entries", {"taskId": task_id})

    @property
    def queue(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.swarm.call("GET", "/api/projects/shop/queue")
        return found

    def settled(self) -> dict[str, Mapping[str, Any]]:
        """What became of results, by task."""
        page = self.swarm.call("GET", "/api/projects/shop/queue/entries?settled=true&limit=200")
        return {entry["taskId"]: entry for entry in page["entries"]}

    def until_settled(self, *tasks: str) -> dict[str, Mapping[str, Any]]:
        """Wait until something has become of these."""
        self.swarm.wait_until(lambda: set(tasks) <= set(self.settled()), f"{len(tasks)} results are settled")
        return self.settled()

    def told(self, event: str) -> list[Mapping[str, Any]]:
        """The events of a type."""
        return [one for one in self.swarm.events() if one["type"] == event]


@pytest.fixture
def shop(swarm: RealSwarm, repository: Path) -> Shop:
    return Shop(swarm, repository)


def test_given_twelve_results_of_which_two_break_only_together_then_eleven_land_and_the_culprit_comes_back_and_lands(
    shop: Shop,
) -> None:
    shop.swarm.start_worker(slots=3)
    shop.set(check=CHECK, largest=RESULTS)
    shop.off()
    culprit = f"if [ -e f{ONE} ]; then echo mended > g{OTHER}; else echo {OTHER} > f{OTHER}; fi"
    programs = [culprit if number == OTHER else f"echo {number} > f{number}" for number in range(RESULTS)]
    tasks = shop.work(*programs)
    assert files(shop.repository) == {"both"}, "nothing lands by itself"
    shop.add(*tasks)
    shop.set()

    settled = shop.until_settled(*tasks)
    statuses = {number: settled[task_id]["status"] for number, task_id in enumerate(tasks)}
    assert statuses == {number: "returned" if number == OTHER else "landed" for number in range(RESULTS)}
    back = settled[tasks[OTHER]]
    assert f"f{ONE} and f{OTHER} do not go together" in back["message"]
    assert tasks[ONE] in back["testedWith"]

    follow_up = shop.swarm.task(back["followUpId"])
    assert follow_up["parentTaskId"] == tasks[OTHER]
    assert "came back from the merge queue of shop" in follow_up["prompt"]
    assert shop.until_settled(follow_up["id"])[follow_up["id"]]["status"] == "landed"
    expected = {f"f{number}" for number in range(RESULTS) if number != OTHER} | {"both", f"g{OTHER}"}
    assert files(shop.repository) == expected
    # 12, 6, 9, 8, once more the last alone, and then what came behind it
    assert shop.queue["checks"] <= 1 + 4 + 1 + 1 + 1 + 1
    assert git(shop.repository, "for-each-ref", "refs/swarm") == "", "checks leave nothing behind"


def test_given_a_branch_that_somebody_moves_while_a_check_runs_then_it_is_checked_again_on_what_is_there(
    shop: Shop,
) -> None:
    shop.swarm.start_worker(slots=3)
    marks = shop.swarm.marks
    (task_id,) = shop.work("echo 1 > f1")
    shop.set(check=f"touch {marks}/runs; until [ -e {marks}/go ]; do sleep 0.05; done; ls > {marks}/seen")
    shop.add(task_id)
    shop.swarm.wait_until((marks / "runs").exists, "the check runs")
    push(shop.repository, "theirs.txt")
    (marks / "go").touch()

    assert shop.until_settled(task_id)[task_id]["status"] == "landed"
    assert files(shop.repository) == {"both", "f1", "theirs.txt"}
    assert set((marks / "seen").read_text().split()) == {"both", "f1", "theirs.txt"}, "checked as it is on the branch"
    assert [one["data"]["verdict"] for one in shop.told("mergeQueue.failed")] == ["moved"]


@pytest.mark.lease(3)
def test_given_a_worker_that_is_killed_while_it_checks_and_a_server_then_another_one_lands_it_and_nobody_is_blamed(
    shop: Shop,
) -> None:
    swarm, marks = shop.swarm, shop.swarm.marks
    first = swarm.start_worker(slots=3)
    tasks = shop.work("echo 1 > f1", "echo 2 > f2")
    shop.set(check=f"touch {marks}/runs; until [ -e {marks}/go ]; do sleep 0.05; done")
    shop.add(*tasks)
    swarm.wait_until((marks / "runs").exists, "the check runs")
    swarm.kill_worker(first)
    swarm.kill_server()
    (marks / "go").touch()
    swarm.start_server()
    swarm.start_worker(slots=3)

    settled = shop.until_settled(*tasks)
    assert {settled[task_id]["status"] for task_id in tasks} == {"landed"}
    assert files(shop.repository) == {"both", "f1", "f2"}
    assert shop.told("mergeQueue.returned") == []


@pytest.mark.lease(3)
def test_given_a_worker_that_dies_once_it_has_landed_then_the_next_one_finds_it_done_and_checks_nothing(
    shop: Shop,
) -> None:
    swarm, marks = shop.swarm, shop.swarm.marks
    dying = swarm.start_worker(slots=3, crash=Crash(point=Point.RUN_LANDED))
    tasks = shop.work("echo 1 > f1", "echo 2 > f2")
    shop.set(check=f"echo >> {marks}/checks")
    shop.off()
    shop.add(*tasks)
    shop.set()
    swarm.wait_for_worker(dying)
    head = git(shop.repository, "rev-parse", "main")
    swarm.start_worker(slots=3)

    settled = shop.until_settled(*tasks)
    assert [(settled[one]["status"], settled[one]["commit"]) for one in tasks] == [("landed", head)] * 2
    assert git(shop.repository, "rev-parse", "main") == head
    assert (marks / "checks").read_text() == "\n", "what is on the branch already is not checked"


def test_given_results_that_conflict_when_they_are_checked_then_the_first_lands_and_the_other_one_comes_back(
    shop: Shop,
) -> None:
    shop.swarm.start_worker(slots=3)
    shop.set(check="true", automatic=False)
    shop.off()
    tasks = shop.work(
        "echo one > both", "if [ $(cat both) = one ]; then echo 2 > f2; else echo two > both; fi", "echo 3 > f3"
    )
    shop.add(*tasks)
    shop.set()

    settled = shop.until_settled(*tasks)
    assert [settled[task_id]["status"] for task_id in tasks] == ["landed", "returned", "landed"]
    back = settled[tasks[1]]
    assert back["code"] == "conflict"
    assert "'both'" in back["message"]
    assert shop.until_settled(back["followUpId"])[back["followUpId"]]["status"] == "landed"
    assert files(shop.repository) == {"both", "f2", "f3"}
    assert git(shop.repository, "show", "main:both") == "one"


def test_given_a_branch_that_fails_by_itself_then_the_queue_halts_until_somebody_mends_it_and_nobody_is_blamed(
    shop: Shop,
) -> None:
    shop.swarm.start_worker(slots=3)
    shop.set(check=CHECK, automatic=True)
    push(shop.repository, "broken")
    tasks = shop.work("echo 1 > f1", "echo 2 > f2")
    shop.swarm.wait_until(lambda: shop.queue["status"] == "halted", "the queue halts")
    assert shop.queue["haltCode"] == "branchFails"
    theirs = shop.repository.parent / "theirs"
    git(theirs, "rm", "--quiet", "broken")
    git(theirs, "commit", "--quiet", "--message", "Mend it")
    git(theirs, "push", "--quiet", "origin", "main")
    shop.set()

    settled = shop.until_settled(*tasks)
    assert {settled[task_id]["status"] for task_id in tasks} == {"landed"}
    assert shop.told("mergeQueue.returned") == []


def test_given_two_servers_that_are_killed_in_turn_and_a_worker_when_results_come_then_each_lands_once(
    tmp_path: Path, repository: Path
) -> None:
    with two_servers(tmp_path / "fleet", SEED) as fleet:
        for number in range(2):
            fleet.start_node(number)
        workers = [fleet.start_worker(slots=2) for _ in range(2)]
        fleet.call("POST", "/api/projects", {"name": "shop", "repoUrl": str(repository)})
        fleet.call("PUT", "/api/projects/shop/queue", {"check": "true", "automatic": True, "largest": 4})
        tasks = []
        for number in range(RESULTS):
            prompt = f"echo {number} > f{number}"
            task = {"ref": "t", "harness": "shell", "prompt": prompt, "project": "shop", "maxAttempts": 5}
            tasks.append(fleet.file(task)["t"])
            if number % 3 == 2:
                node = number // 3 % 2
                fleet.kill_node(node)
                fleet.start_node(node)
        fleet.kill_worker(workers[0])
        fleet.start_worker(agent_id=workers[0])

        def settled() -> dict[str, str]:
            page = fleet.call("GET", "/api/projects/shop/queue/entries?settled=true&limit=200")
            return {entry["taskId"]: entry["status"] for entry in page["entries"]}

        fleet.wait_until(lambda: set(tasks) <= set(settled()), "all results are settled")
        assert settled() == dict.fromkeys(tasks, "landed")
        assert files(repository) == {"both", *(f"f{number}" for number in range(RESULTS))}
        events = fleet.events()
        entered = [one["taskId"] for one in events if one["type"] == "mergeQueue.entered"]
        landed = [task_id for one in events if one["type"] == "mergeQueue.landed" for task_id in one["data"]["taskIds"]]
        assert sorted(entered) == sorted(landed) == sorted(tasks)
        filed = [one for one in events if one["type"] == "task.created" and one["data"]["title"].startswith("Check")]
        checking = [one for one in events if one["type"] == "mergeQueue.checking"]
        assert len(filed) == len(checking)
