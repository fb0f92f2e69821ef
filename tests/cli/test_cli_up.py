"""A whole swarm as one process tree, for real: server, lead and workers."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.cli.conftest import Ended, clean_environment, started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="process trees as Linux has them"),
]


@dataclass(frozen=True, slots=True)
class Up:
    """A running `up`, and the variables with which the program finds its server."""

    process: "subprocess.Popen[str]"
    environment: dict[str, str]

    def run(self, *arguments: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "agent_swarm", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").out)

    def tree(self) -> list[psutil.Process]:
        """Every process below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, agent_id: str) -> psutil.Process:
        """The process of an agent."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if child.environ().get("AGENT_ID") == agent_id)

    def agents(self) -> dict[str, str]:
        """The id of each agent by name."""
        return {agent["name"]: agent["id"] for agent in self.json("agent", "ls")["agents"]}


@contextmanager
def swarm(folder: Path, *arguments: str) -> Iterator[Up]:
    """A swarm in `folder` with the harness `script`, once it says that it is up."""
    (folder / "signals").mkdir(exist_ok=True)
    environment = {
        **clean_environment(folder / "home"),
        "SHUTDOWN_TIMEOUT": "500",
        "AGENT_SWARM_WRITABLE": str(folder / "signals"),
    }
    command = ("up", "--data-dir", str(folder / "swarm"), "--port", "0", "--harness", "script", *arguments)
    with started(environment, *command) as process:
        assert process.stdout is not None
        greeting = next((line for line in process.stdout if " is up at " in line), None)
        assert greeting is not None, process.stderr and process.stderr.read()
        url = greeting.split(" is up at ")[1].split()[0]
        up = Up(process, {**environment, "AGENT_SWARM_URL": url, "DATA_DIR": str(folder / "swarm")})
        yield up


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with swarm(tmp_path_factory.mktemp("up"), "--quiet") as running:
        yield running
        running.process.send_signal(signal.SIGTERM)
        running.process.communicate(timeout=60)
    assert running.process.returncode == 0


def gone(processes: list[psutil.Process]) -> bool:
    """All of them end within the time that an orderly end may take."""
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not alive


def test_given_a_swarm_then_a_lead_and_two_workers_are_idle(up: Up) -> None:
    agents = {agent["name"]: agent for agent in up.json("agent", "ls")["agents"]}
    assert set(agents) == {"lead", "worker-1", "worker-2"}
    assert [name for name, agent in agents.items() if agent["isLead"]] == ["lead"]
    assert {agent["harness"] for agent in agents.values()} == {"script"}
    assert f"id:          {agents['lead']['id']}" in up.run("agent", "show", "LEAD").out


def test_given_a_task_that_succeeds_when_waited_for_then_its_result_is_printed_and_it_exits_0(up: Up) -> None:
    ended = up.run("task", "add", "progress half\nresult all is well", "--wait")
    assert (ended.code, ended.out) == (0, "completed\nall is well\n")
    assert "half" in ended.err
    quiet = up.run("task", "add", "result all is well", "--wait", "--quiet")
    assert (quiet.out, quiet.err) == ("completed\nall is well\n", "")


def test_given_a_task_that_fails_when_waited_for_then_it_exits_1_and_says_why(up: Up) -> None:
    ended = up.run("task", "add", "fail policy it may not be done", "--wait", "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["failure"]["class"] == "policy"
    assert "it may not be done" in ended.err


def test_given_files_that_an_agent_left_when_asked_for_then_they_are_listed_shown_and_saved(
    up: Up, tmp_path: Path
) -> None:
    script = (
        "write notes/what I did.md <<END\nall of it\nEND\nrun head -c 300 /dev/zero | tr '\\0' '\\377' > pale.bin\n"
    )
    script += "attach notes/what I did.md\nattach pale.bin"
    task_id = up.json("task", "add", script, "--wait")["id"]
    listed = up.json("task", "attachments", task_id)["attachments"]
    assert [(one["name"], one["bytes"], one["attempt"]) for one in listed] == [
        ("pale.bin", 300, 1),
        ("what I did.md", 10, 1),
    ]
    assert "what I did.md" in up.run("task", "attachments", task_id).out
    assert up.run("task", "attachments", task_id, "what I did.md").out == "all of it\n"
    assert "--output" in up.run("task", "attachments", task_id, "pale.bin").err
    saved = up.run("task", "attachments", task_id, "pale.bin", "-o", str(tmp_path / "pale.bin"))
    assert (saved.code, (tmp_path / "pale.bin").read_bytes()) == (0, b"\xff" * 300)
    assert "no attachment 'other'" in up.run("task", "attachments", task_id, "other").err


def test_given_a_graph_when_waited_for_then_all_of_it_is_done(up: Up, tmp_path: Path) -> None:
    file = tmp_path / "graph.json"
    file.write_text('[{"ref": "a", "prompt": "say one"}, {"prompt": "say two", "dependsOn": ["a"], "title": "second"}]')
    ended = up.run("task", "graph", str(file), "--wait")
    assert ended.code == 0
    assert "second: completed\ntwo" in ended.out


def test_given_a_run_then_its_log_can_be_followed_over_all_attempts(up: Up) -> None:
    task_id = up.run("task", "add", "-q", "fail-until-attempt 2 not yet\nsay done at last").out.strip()
    followed = up.run("task", "logs", task_id, "-f")
    assert followed.code == 0
    assert followed.out.count("started") == 2
    assert "done at last" in followed.out
    first = [json.loads(line) for line in up.run("task", "logs", task_id, "--attempt", "1", "--json").out.splitlines()]
    assert first[0]["kind"] == "started"
    assert "done at last" not in json.dumps(first)
    shown = up.run("task", "show", task_id).out
    assert shown.index("1    failed") < shown.index("2    completed")


def test_given_a_task_for_the_lead_then_the_lead_takes_it_and_files_others(up: Up) -> None:
    script = 'create-task {"prompt": "result from the child", "harness": "script"}'
    plan = up.json("task", "add", script, "--agent", "lead", "--wait")
    assert plan["agentId"] == up.agents()["lead"]
    children = up.run("task", "list", "-q", "--parent", plan["id"]).out.split()
    assert len(children) == 1
    assert up.run("task", "watch", *children).code == 0


def test_given_a_worker_that_is_killed_then_it_comes_back_as_the_same_agent_and_works(up: Up) -> None:
    ids = up.agents()
    killed = up.child(ids["worker-1"])
    killed.kill()
    assert gone([killed])
    ended = up.run("task", "add", "result done by the one that came back", "--agent", "worker-1", "--wait")
    assert ended.code == 0
    assert up.agents() == ids
    assert up.child(ids["worker-1"]).pid != killed.pid


def test_given_a_swarm_and_ctrl_c_then_everything_of_it_is_gone_and_it_exits_130(tmp_path: Path) -> None:
    with swarm(tmp_path) as up:
        task_id = up.run("task", "add", "-q", "progress here\nrun setsid sleep 1000 & sleep 1000").out.strip()
        assert up.run("task", "logs", task_id).code == 0
        processes = up.tree()
        assert len(processes) >= 4
        up.process.send_signal(signal.SIGINT)
        out, err = up.process.communicate(timeout=60)
    assert up.process.returncode == 130
    assert "stopping: workers first" in err
    assert gone(processes)
    assert out.index("worker-1 | ") < out.rindex("server   | ")


def test_given_a_swarm_that_is_killed_then_its_processes_end_too(tmp_path: Path) -> None:
    with swarm(tmp_path) as up:
        up.run("task", "add", "run sleep 1000", "--agent", "worker-1")
        processes = up.tree()
        up.process.kill()
        up.process.wait()
        assert gone(processes)


def test_given_a_reader_of_the_log_that_leaves_then_the_swarm_goes_on(tmp_path: Path) -> None:
    with swarm(tmp_path) as up:
        assert up.process.stdout is not None
        up.process.stdout.close()
        assert up.run("task", "add", "result still here", "--wait").out == "completed\nstill here\n"
        up.process.send_signal(signal.SIGHUP)
        up.process.wait(timeout=60)
    assert up.process.returncode == 0


def test_given_a_restart_then_the_agents_are_the_same_and_unfinished_work_goes_on(tmp_path: Path) -> None:
    with swarm(tmp_path) as up:
        ids = up.agents()
        wait = f"run until [ -e '{tmp_path}/signals/go' ]; do sleep 0.05; done"
        task_id = up.run("task", "add", "-q", f"progress here\n{wait}\nresult went on").out.strip()
        with started(up.environment, "watch", "--after", "0", "--task", task_id) as watching:
            assert watching.stdout is not None
            assert any("task.progressed" in line for line in watching.stdout)
        up.process.send_signal(signal.SIGTERM)
        up.process.communicate(timeout=60)
        assert up.process.returncode == 0
    (tmp_path / "signals" / "go").touch()
    with swarm(tmp_path) as up:
        assert up.agents() == ids
        assert up.run("task", "watch", task_id).code == 0
        attempts = up.run("task", "show", task_id).out
        assert attempts.index("1    paused") < attempts.index("2    completed")
        up.process.send_signal(signal.SIGTERM)
        up.process.communicate(timeout=60)


def test_given_a_data_directory_in_use_then_a_second_swarm_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with swarm(tmp_path) as up:
        command = [sys.executable, "-m", "agent_swarm", "up", "--port", "0", "--data-dir", str(tmp_path / "swarm")]
        second = subprocess.run(command, env=up.environment, capture_output=True, text=True, timeout=60, check=False)
        up.process.send_signal(signal.SIGTERM)
        up.process.communicate(timeout=60)
    assert second.returncode == 1
    assert "error: server ended with exit code 1" in second.stderr
    assert "another server" in second.stderr
