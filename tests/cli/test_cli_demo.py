"""The demo as people run it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.cli.conftest import Run, started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="process trees as Linux has them"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the demo puts its files."""
    path = tmp_path / "tmp"
    path.mkdir()
    return path


@pytest.fixture
def demo_environment(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Settings of another swarm, and of somebody's git, that must not reach the demo."""
    foreign = {"API_KEY": "another", "PORT": "1", "AGENT_SWARM_URL": "http://127.0.0.1:1", "AGENT_ID": "x"}
    return {**environment, "TMPDIR": str(folder), **foreign, "GIT_AUTHOR_NAME": "Somebody"}


def read_until(process: "subprocess.Popen[str]", *words: str) -> str:
    """The output up to a line that has all of these words."""
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if all(word in line for word in words):
            return "".join(said)
    raise AssertionError(f"{words} never came:\n{''.join(said)}{process.stderr and process.stderr.read()}")


def survivors(processes: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=30)[1]


def test_given_the_demo_then_every_promise_holds_and_nothing_is_left_of_it(
    run: Run, demo_environment: dict[str, str], folder: Path
) -> None:
    ended = run("demo", env=demo_environment)
    assert ended.code == 0, ended.out + ended.err
    promises = [line for line in ended.out.splitlines() if line.startswith(("✓", "✗"))]
    assert len(promises) == 11
    assert all(line.startswith("✓") for line in promises)
    assert "Release 1.0" in ended.out
    assert "http://127.0.0.1:" in ended.out
    assert list(folder.iterdir()) == []


def test_given_a_demo_that_keeps_its_files_then_the_work_is_on_one_branch(
    run: Run, demo_environment: dict[str, str], folder: Path
) -> None:
    ended = run("demo", "--keep", env=demo_environment)
    assert ended.code == 0, ended.out + ended.err
    (kept,) = folder.iterdir()
    branch = next(line for line in ended.out.splitlines() if line.startswith("swarm/"))
    listed = subprocess.run(
        ["git", "-C", kept / "textkit", "ls-tree", "-r", "--name-only", branch],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"CHANGELOG.md", "docs/design.md", "textkit/slugs.py", "textkit/words.py"} <= set(listed.stdout.split())
    assert f"--data-dir {kept / 'swarm'}" in ended.out


def test_given_a_demo_that_stays_then_its_swarm_can_be_asked_until_ctrl_c(
    run: Run, demo_environment: dict[str, str]
) -> None:
    with started(demo_environment, "demo", "--stay") as demo:
        told = read_until(demo, "export AGENT_SWARM_URL=")
        settings = dict(word.split("=", 1) for word in told.splitlines()[-1].split()[1:])
        listed = run("task", "list", "--status", "completed", "-q", env=settings)
        assert len(listed.out.split()) == 7, listed.err
        demo.send_signal(signal.SIGINT)
        out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert "✓ no process is left" in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_given_a_demo_that_is_ended_in_the_middle_then_no_process_is_left(
    number: signal.Signals, code: int, demo_environment: dict[str, str], folder: Path
) -> None:
    with started(demo_environment, "demo") as demo:
        read_until(demo, "task.started", "Write the design note")
        processes = psutil.Process(demo.pid).children(recursive=True)
        assert len(processes) >= 5
        os.kill(demo.pid, number)
        _, err = demo.communicate(timeout=60)
    assert demo.returncode == code
    assert survivors(processes) == []
    assert "Traceback" not in err
    if number != signal.SIGKILL:
        assert list(folder.iterdir()) == []


def test_given_too_little_time_then_the_demo_says_what_is_still_open_and_exits_1(
    run: Run, demo_environment: dict[str, str], folder: Path
) -> None:
    ended = run("demo", "--timeout", "1", env=demo_environment)
    assert ended.code == 1
    assert "error: not done within 1 s" in ended.err
    assert "still open: " in ended.err
    assert f"files: {folder}" in ended.err
