"""Processes kept running and ended together, with small programs in place of server and workers."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from agent_swarm.cli.child import Child, ChildGaveUp, ChildSpec, ended
from agent_swarm.cli.leash import leashed
from agent_swarm.cli.supervisor import Stage, Supervisor

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="process trees as Linux has them")]

FOREVER = """
import os, signal, sys
print("here", os.getpid(), flush=True)
signal.pause()
"""
POLITE = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("bye", sys.argv[1:], flush=True), os._exit(0)))
print("here", os.getpid(), flush=True)
while True:
    signal.pause()
"""
DEAF = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", os.getpid(), flush=True)
while True:
    signal.pause()
"""
# A child of a child that has left its session and its parent.
LEAVES_A_DAEMON = """
import os, signal, subprocess, sys
daemon = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
print("daemon", daemon.pid, flush=True)
print("here", os.getpid(), flush=True)
signal.pause()
"""

Script = Callable[[str], Sequence[str]]


class Heard:
    """What a test waits for: the lines of children and the notes about them, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Event()

    def output(self, name: str, line: str) -> None:
        self._add(f"{name}: {line}")

    def note(self, name: str, text: str, last_words: Sequence[str] = ()) -> None:
        self._add(f"({name} {text})")

    async def until(self, beginning: str, *, times: int = 1) -> str:
        """The line that begins so, once it has come `times` times."""
        async with asyncio.timeout(20):
            while len(found := [line for line in self.lines if line.startswith(beginning)]) < times:
                self._more.clear()
                await self._more.wait()
        return found[-1]

    async def pid(self, name: str, *, times: int = 1) -> int:
        return int((await self.until(f"{name}: here", times=times)).split()[-1])

    def _add(self, line: str) -> None:
        self.lines.append(line)
        self._more.set()


@pytest.fixture
def heard() -> Heard:
    return Heard()


def spec(
    name: str, argv: Sequence[str], *, grace: float = 20.0, final_codes: frozenset[int] = frozenset()
) -> ChildSpec:
    return ChildSpec(name=name, argv=tuple(argv), env=dict(os.environ), grace_seconds=grace, final_codes=final_codes)


@asynccontextmanager
async def supervising(heard: Heard, *stages: Stage) -> AsyncIterator[Supervisor]:
    """A supervisor at work; stopped at the end."""
    supervisor = Supervisor(stages, log=heard)
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        async with asyncio.timeout(30):
            await running


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_given_a_child_that_is_killed_then_it_runs_again_under_the_same_name(
    heard: Heard, script: Script
) -> None:
    async with supervising(heard, Stage(lambda: [spec("a", script(FOREVER))])):
        first = await heard.pid("a")
        os.kill(first, signal.SIGKILL)
        second = await heard.pid("a", times=2)
        assert first != second
        assert "(a was killed by SIGKILL; starts again in 0.5 s)" in heard.lines
    assert not is_alive(second)


async def test_given_stages_then_each_starts_when_the_one_before_is_ready_and_ends_before_it(
    heard: Heard, script: Script
) -> None:
    is_ready = asyncio.Event()

    async def ready() -> None:
        await is_ready.wait()

    first = Stage(lambda: [spec("server", script(POLITE))], ready)
    second = Stage(lambda: [spec("worker", script(POLITE))])
    async with supervising(heard, first, second):
        await heard.until("server: here")
        assert not any(line.startswith("worker") for line in heard.lines)
        is_ready.set()
        await heard.until("worker: here")
    said = [line for line in heard.lines if "bye" in line]
    assert [line.split(":")[0] for line in said] == ["worker", "server"]


async def test_given_a_child_that_ends_before_its_stage_is_ready_then_all_ends_with_its_last_words(
    heard: Heard, script: Script
) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    failing = Stage(lambda: [spec("server", script("print('the port is taken'); raise SystemExit(1)"))], never)
    other = Stage(lambda: [spec("beside", script(FOREVER))])
    with pytest.raises(ChildGaveUp, match="server ended with exit code 1") as gave_up:
        await Supervisor([other, failing], log=heard).run()
    assert "the port is taken" in gave_up.value.hint
    assert psutil.Process().children(recursive=True) == []


async def test_given_a_child_that_refuses_its_settings_then_it_is_not_started_again(
    heard: Heard, script: Script
) -> None:
    with pytest.raises(ChildGaveUp, match="worker ended with exit code 2"):
        await Supervisor([Stage(lambda: [spec("worker", script("raise SystemExit(2)"))])], log=heard).run()


async def test_given_a_child_that_was_superseded_then_the_others_go_on_without_it(heard: Heard, script: Script) -> None:
    gone = spec("gone", script("raise SystemExit(3)"), final_codes=frozenset({3}))
    async with supervising(heard, Stage(lambda: [gone, spec("other", script(FOREVER))])):
        await heard.until("(gone ended with exit code 3; not started again)")
        assert is_alive(await heard.pid("other"))


async def test_given_a_deaf_child_when_stopped_then_it_is_killed_after_its_grace(heard: Heard, script: Script) -> None:
    async with supervising(heard, Stage(lambda: [spec("deaf", script(DEAF), grace=0.2)])):
        pid = await heard.pid("deaf")
    assert "(deaf did not end within 0.2 s; killed)" in heard.lines
    assert not is_alive(pid)


async def test_given_a_second_stop_then_nothing_waits_for_its_grace(heard: Heard, script: Script) -> None:
    async with supervising(heard, Stage(lambda: [spec("deaf", script(DEAF), grace=3600)])) as supervisor:
        pid = await heard.pid("deaf")
        supervisor.stop()
    assert not is_alive(pid)


async def test_given_a_daemon_of_a_killed_child_then_it_does_not_survive_the_end(heard: Heard, script: Script) -> None:
    async with supervising(heard, Stage(lambda: [spec("a", script(LEAVES_A_DAEMON))])):
        daemon = int((await heard.until("a: daemon")).split()[-1])
        os.kill(await heard.pid("a"), signal.SIGKILL)
        await heard.until("(a was killed")
        assert is_alive(daemon)
    assert not is_alive(daemon)
    assert psutil.Process().children(recursive=True) == []


async def test_given_output_without_an_end_or_a_line_break_then_it_is_cut_into_lines(
    heard: Heard, script: Script
) -> None:
    child = Child(spec("a", script("print('x' * 200_000, flush=True); print('last', end='')")), log=heard)
    running = asyncio.create_task(child.run())
    await heard.until("a: last")
    child.stop()
    await running
    assert sum(line.count("x") for line in heard.lines) == 200_000


async def test_given_a_child_that_is_stopped_while_it_waits_to_start_again_then_it_does_not(
    heard: Heard, script: Script
) -> None:
    child = Child(spec("a", script("raise SystemExit(1)")), log=heard)
    running = asyncio.create_task(child.run())
    await heard.until("(a ended with exit code 1; starts again")
    child.stop()
    await running
    assert child.pid is None


def test_given_a_parent_that_is_killed_then_what_it_leashed_gets_sigterm(script: Script) -> None:
    # Without the leash the child would run on under init.
    start = f"subprocess.Popen(leashed({list(script(POLITE))!r}))"
    parent = f"import subprocess, signal; from agent_swarm.cli.leash import leashed; {start}; signal.pause()"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("here")
        running.kill()
        assert running.stdout.readline().startswith("bye")


def test_given_a_parent_that_is_dead_already_then_the_command_is_not_run(script: Script, tmp_path: Path) -> None:
    argv = leashed(script(f"open({str(tmp_path / 'ran')!r}, 'w')"))
    argv[3] = "1"  # the pid it expects as its parent
    assert subprocess.run(argv, check=False).returncode == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "said"), [(0, "ended with exit code 0"), (-9, "was killed by SIGKILL"), (-99, "was killed by signal 99")]
)
def test_given_an_exit_code_then_it_is_said_in_words(code: int, said: str) -> None:
    assert ended(code) == said
