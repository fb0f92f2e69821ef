"""Provider `process`: the contract, by cgroup and by walking, and what happens when its own guards are killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.sandbox import cgroup, processtree, records
from agent_swarm.sandbox.base import Exit, Launch, Sandbox, SandboxCapability, SandboxSpec
from agent_swarm.sandbox.errors import StartFailed
from agent_swarm.sandbox.process import ProcessProvider
from agent_swarm.sandbox.records import Identity
from agent_swarm.testing.lifeline import (
    CHILD,
    DAEMON,
    FAMILY,
    FAMILY_SIZE,
    HOLD,
    NAMELESS_DAEMON,
    SETSID_CHILD,
    STUBBORN_CHILD,
    Lifeline,
)
from agent_swarm.testing.sandbox_contract import SandboxContract, SandboxFixtures, StartScript
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

# Signals 32 and 33 are the C library's own: no program can set them, and some start with one of them ignored.
OF_LIBC = 0b11 << 31
WORKER = Path(__file__).with_name("short_lived_worker.py")
# Without a cgroup, a daemon that emptied its environment is only found while its supervisor lives.
MARKED_FAMILY, MARKED_FAMILY_SIZE = CHILD + SETSID_CHILD + DAEMON + STUBBORN_CHILD, 4


@pytest.fixture(params=["cgroup", pytest.param("walk", marks=pytest.mark.slow)])
def provider(request: pytest.FixtureRequest) -> ProcessProvider:
    if request.param == "cgroup" and cgroup.find_home() is None:
        pytest.skip("no writable cgroup2 directory with cgroup.kill on this host")
    return ProcessProvider(use_cgroups=request.param == "cgroup")


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user, with the same command line as one of the family, and not of any run."""
    with running(["sleep", "1000"]) as process:
        yield process


@contextmanager
def running(argv: list[str], env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def uses_cgroups(provider: ProcessProvider) -> bool:
    return provider._cgroup_home is not None


def only_record(spec: SandboxSpec) -> records.ProcessRecord:
    [record] = records.read_all(spec.state_dir)
    return record


def traces_of(spec: SandboxSpec) -> list[Path]:
    """What a run leaves on disk: records and cgroups."""
    home = cgroup.find_home()
    leaves = list(home.glob(f"{cgroup.PREFIX}{spec.run_id}-*")) if home else []
    return [*leaves, *(spec.state_dir / records.FOLDER).glob("*")]


class TestContract(SandboxContract):
    """The suite that every provider passes."""


class TestOneRun(SandboxFixtures):
    """What this provider promises beyond the contract, while its worker lives."""

    def test_given_linux_when_it_is_asked_what_it_can_do_then_it_claims_to_reap_and_nothing_else(
        self, provider: ProcessProvider
    ) -> None:
        assert provider.capabilities == {SandboxCapability.REAPS_DESCENDANTS}

    async def test_given_a_probe_when_it_answers_then_it_says_how_runs_end_here(
        self, provider: ProcessProvider
    ) -> None:
        expected = "cgroup.kill below" if uses_cgroups(provider) else "child subreaper"
        assert expected in (await provider.probe()).detail

    @pytest.mark.parametrize("run_id", ["", "../x", "a/b", "a=b", "a\0b", "x" * 129])
    async def test_given_a_run_id_that_cannot_be_a_file_name_when_a_sandbox_is_opened_then_it_is_refused(
        self, provider: ProcessProvider, spec: SandboxSpec, run_id: str
    ) -> None:
        with pytest.raises(InvalidInput, match="cannot name a run"):
            await provider.open(replace(spec, run_id=run_id))

    async def test_given_a_launch_when_it_runs_then_its_environment_has_the_markers_of_its_run(
        self, sandbox: Sandbox, workspace: Path, spec: SandboxSpec
    ) -> None:
        process = await sandbox.start(Launch(argv=("/usr/bin/env",), cwd=workspace, env={}))
        entries = dict([line.split(b"=") async for line in process.lines()])
        assert entries.keys() == {b"AGENT_SWARM_RUN_ID", b"AGENT_SWARM_PROCESS"}
        assert entries[b"AGENT_SWARM_RUN_ID"].decode() == spec.run_id

    async def test_given_a_launch_when_it_runs_then_it_has_standard_streams_and_no_other_descriptor(
        self, start: StartScript
    ) -> None:
        process = await start("exec ls /proc/self/fd")
        assert [line async for line in process.lines()] == [b"0", b"1", b"2", b"3"]  # 3 is what ls reads

    async def test_given_a_worker_that_ignores_signals_when_a_command_runs_then_the_command_does_not(
        self, start: StartScript
    ) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            process = await start("grep -E 'Sig(Blk|Ign)' /proc/self/status")
            masks = [int(line.split()[1], 16) async for line in process.lines()]
            assert [mask & ~OF_LIBC for mask in masks] == [0, 0]
        finally:
            signal.signal(signal.SIGHUP, before)

    async def test_given_an_argument_that_no_program_can_get_when_it_is_started_then_it_is_refused(
        self, sandbox: Sandbox, workspace: Path
    ) -> None:
        with pytest.raises(StartFailed, match="cannot start 'sh': Invalid argument"):
            await sandbox.start(Launch(argv=("sh", "a\0b"), cwd=workspace, env={}))

    async def test_given_a_run_that_ended_when_its_traces_are_looked_for_then_there_are_none(
        self, start: StartScript, spec: SandboxSpec
    ) -> None:
        process = await start("exit 0")
        await process.wait()
        assert traces_of(spec) == []

    async def test_given_a_start_that_failed_when_its_traces_are_looked_for_then_there_are_none(
        self, sandbox: Sandbox, workspace: Path, spec: SandboxSpec
    ) -> None:
        with pytest.raises(StartFailed, match="no such program"):
            await sandbox.start(Launch(argv=("no-such-agent",), cwd=workspace, env={}))
        assert traces_of(spec) == []

    async def test_given_a_state_directory_that_cannot_be_written_when_a_command_is_started_then_it_does_not_run(
        self, provider: ProcessProvider, spec: SandboxSpec, tmp_path: Path, workspace: Path
    ) -> None:
        (tmp_path / "a-file").touch()
        sandbox = await provider.open(replace(spec, state_dir=tmp_path / "a-file"))
        with pytest.raises(StartFailed, match="cannot record a process under"):
            await sandbox.start(Launch(argv=("sh", "-c", "touch ran"), cwd=workspace, env={}))
        await sandbox.close()
        assert not (workspace / "ran").exists()

    async def test_given_a_start_that_is_cancelled_half_way_when_its_traces_are_looked_for_then_there_are_none(
        self, sandbox: Sandbox, workspace: Path, spec: SandboxSpec
    ) -> None:
        launch = Launch(argv=("sh", "-c", "touch ran; sleep 1000"), cwd=workspace, env={"PATH": os.environ["PATH"]})
        starting = asyncio.create_task(sandbox.start(launch))
        await until(lambda: traces_of(spec))
        supervisor = only_record(spec).supervisor
        starting.cancel()
        await asyncio.wait([starting])
        if not starting.cancelled():  # the host was so busy that the start was over before we looked
            await sandbox.close()
        assert traces_of(spec) == []
        assert not supervisor.is_running()

    async def test_given_many_commands_at_once_when_the_sandbox_is_closed_then_all_are_gone_with_their_traces(
        self, sandbox: Sandbox, start: StartScript, spec: SandboxSpec
    ) -> None:
        processes = await asyncio.gather(*(start(CHILD.replace(">&9", "") + "wait") for _ in range(8)))
        await sandbox.close()
        assert [await process.wait() for process in processes] == [Exit(None, signal.SIGKILL)] * 8
        assert traces_of(spec) == []

    async def test_given_many_runs_when_they_have_ended_then_no_descriptor_of_the_worker_is_left(
        self, provider: ProcessProvider, spec: SandboxSpec, workspace: Path
    ) -> None:
        async def run_one() -> None:
            sandbox = await provider.open(spec)
            await sandbox.start(Launch(argv=("sh", "-c", "echo unread"), cwd=workspace, env={}))
            await sandbox.close()

        await run_one()
        before = set(os.listdir("/proc/self/fd"))
        for _ in range(10):
            await run_one()
        await until(lambda: set(os.listdir("/proc/self/fd")) <= before)

    async def test_given_a_daemon_that_keeps_forking_away_when_the_run_is_killed_then_it_is_caught(
        self, start: StartScript, lifeline: Lifeline, workspace: Path
    ) -> None:
        hopper = workspace / "hopper.py"
        hopper.write_text(
            "import os\nos.write(9, b'up\\n')\nwhile True:\n    if os.fork(): os._exit(0)\n    os.setsid()\n"
        )
        process = await start(HOLD + f"{sys.executable} -I -S {hopper}; while :; do sleep 1; done")
        await lifeline.heard_from(1)
        await process.kill()
        assert not lifeline.is_held()


class TestGuardsAreKilled(SandboxFixtures):
    """The supervisor or the worker is killed or stopped: the run does not outlive them."""

    async def test_given_a_supervisor_when_somebody_sends_it_sigterm_then_the_run_is_stopped(
        self, start: StartScript, spec: SandboxSpec
    ) -> None:
        process = await start("trap 'echo saved; exit 4' TERM; echo up; while :; do sleep 0.02; done")
        lines = process.lines()
        assert await anext(lines) == b"up"
        os.kill(only_record(spec).supervisor.pid, signal.SIGTERM)
        assert [line async for line in lines] == [b"saved"]
        assert await process.wait() == Exit(4)

    async def test_given_a_supervisor_that_is_killed_when_the_run_is_waited_for_then_nothing_of_it_is_left(
        self, start: StartScript, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        process = await start(HOLD + MARKED_FAMILY + "wait")
        await lifeline.heard_from(MARKED_FAMILY_SIZE)
        os.kill(only_record(spec).supervisor.pid, signal.SIGKILL)
        assert await process.wait() == Exit(None, signal.SIGKILL)
        assert not lifeline.is_held()
        assert traces_of(spec) == []

    async def test_given_a_supervisor_that_is_stopped_when_the_run_is_killed_then_nothing_of_it_is_left(
        self, start: StartScript, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        process = await start(HOLD + FAMILY + "wait")
        await lifeline.heard_from(FAMILY_SIZE)
        os.kill(only_record(spec).supervisor.pid, signal.SIGSTOP)
        await process.kill()
        assert not lifeline.is_held()
        assert traces_of(spec) == []

    async def test_given_a_supervisor_that_is_killed_when_another_command_of_the_run_goes_on_then_that_one_lives(
        self, start: StartScript, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        doomed = await start("sleep 1000")
        doomed_supervisor = only_record(spec).supervisor.pid
        await start(HOLD + MARKED_FAMILY + "wait")
        await lifeline.heard_from(MARKED_FAMILY_SIZE)
        os.kill(doomed_supervisor, signal.SIGKILL)
        await doomed.wait()
        assert lifeline.is_held()

    async def test_given_a_worker_that_is_killed_when_it_had_a_run_then_every_descendant_dies_at_once(
        self, worker: subprocess.Popen[bytes], lifeline: Lifeline
    ) -> None:
        worker.kill()
        await lifeline.released(within=5)

    async def test_given_a_worker_that_is_killed_when_its_daemon_had_no_environment_then_it_dies_at_once_too(
        self, provider: ProcessProvider, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        with running(worker_argv(provider, spec, HOLD + NAMELESS_DAEMON + "wait; sleep 1000")) as worker:
            await lifeline.heard_from(1)
            worker.kill()
            await lifeline.released(within=5)
        await provider.sweep(spec.state_dir)

    async def test_given_a_worker_that_is_killed_when_the_next_one_sweeps_then_there_is_nothing_to_end_and_no_trace(
        self, worker: subprocess.Popen[bytes], provider: ProcessProvider, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        supervisor = only_record(spec).supervisor
        worker.kill()
        worker.wait()
        await until(lambda: not supervisor.is_running())
        assert await provider.sweep(spec.state_dir) == 0
        assert traces_of(spec) == []


@pytest.mark.parametrize("provider", ["cgroup"], indirect=True)
class TestGuardsAreKilledInACgroup(SandboxFixtures):
    """A cgroup finds also what carries no marker; without one it could not be told from a stranger."""

    async def test_given_a_cgroup_when_the_supervisor_is_killed_then_a_daemon_without_environment_dies_too(
        self, provider: ProcessProvider, start: StartScript, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        assert uses_cgroups(provider)
        process = await start(HOLD + NAMELESS_DAEMON + "wait; sleep 1000")
        await lifeline.heard_from(1)
        os.kill(only_record(spec).supervisor.pid, signal.SIGKILL)
        await process.wait()
        assert not lifeline.is_held()


class TestSweep(SandboxFixtures):
    """Worker and supervisor are both gone; the next start of the worker clears up by what was recorded."""

    async def test_given_worker_and_supervisor_killed_when_the_next_worker_sweeps_then_the_rest_is_ended_and_counted(
        self, orphans: int, provider: ProcessProvider, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        assert lifeline.is_held()
        assert await provider.sweep(spec.state_dir) >= orphans
        assert not lifeline.is_held()
        assert traces_of(spec) == []

    async def test_given_a_worker_killed_and_its_supervisor_stopped_when_the_next_one_sweeps_then_all_are_ended(
        self,
        worker: subprocess.Popen[bytes],
        provider: ProcessProvider,
        spec: SandboxSpec,
        lifeline: Lifeline,
    ) -> None:
        supervisor = only_record(spec).supervisor
        os.kill(supervisor.pid, signal.SIGSTOP)
        worker.kill()
        worker.wait()
        assert lifeline.is_held()
        assert await provider.sweep(spec.state_dir) > MARKED_FAMILY_SIZE
        assert not lifeline.is_held()
        assert not supervisor.is_running()

    async def test_given_orphans_and_a_bystander_with_the_same_command_when_swept_then_the_bystander_lives(
        self, orphans: int, provider: ProcessProvider, spec: SandboxSpec, bystander: subprocess.Popen[bytes]
    ) -> None:
        await provider.sweep(spec.state_dir)
        assert bystander.poll() is None

    async def test_given_orphans_and_a_process_of_another_run_when_swept_then_that_one_lives(
        self, orphans: int, provider: ProcessProvider, spec: SandboxSpec
    ) -> None:
        env = records.markers(spec.run_id, only_record(spec).name + "0")
        with running(["/usr/bin/env", "sleep", "1000"], env=env) as other:
            await provider.sweep(spec.state_dir)
            assert other.poll() is None

    async def test_given_a_record_whose_pid_has_been_reused_when_swept_then_the_new_owner_of_the_pid_lives(
        self, provider: ProcessProvider, spec: SandboxSpec, bystander: subprocess.Popen[bytes]
    ) -> None:
        now = Identity.of(bystander.pid)
        assert now.start_ticks is not None
        record_of(spec, supervisor=replace(now, start_ticks=now.start_ticks - 1)).write(spec.state_dir)
        assert await provider.sweep(spec.state_dir) == 0
        assert bystander.poll() is None
        assert traces_of(spec) == []

    async def test_given_a_record_of_an_earlier_boot_when_swept_then_nothing_is_ended_by_it(
        self, provider: ProcessProvider, spec: SandboxSpec, bystander: subprocess.Popen[bytes]
    ) -> None:
        record = record_of(spec, supervisor=Identity.of(bystander.pid))
        replace(record, boot_id="another").write(spec.state_dir)
        assert await provider.sweep(spec.state_dir) == 0
        assert bystander.poll() is None
        assert traces_of(spec) == []

    async def test_given_a_record_that_names_a_cgroup_which_is_not_its_own_when_swept_then_that_group_lives(
        self, provider: ProcessProvider, spec: SandboxSpec, bystander: subprocess.Popen[bytes]
    ) -> None:
        home = cgroup.find_home()
        if home is None:
            pytest.skip("no writable cgroup2 directory with cgroup.kill on this host")
        foreign = cgroup.path_of(home, f"bystander-{os.getpid()}")
        foreign.mkdir()
        (foreign / "cgroup.procs").write_text(str(bystander.pid))
        replace(record_of(spec, supervisor=Identity(1, 1)), cgroup=foreign).write(spec.state_dir)
        assert await provider.sweep(spec.state_dir) == 0
        assert bystander.poll() is None
        bystander.kill()
        await until(cgroup.Leaf(foreign).remove)

    async def test_given_a_file_that_is_no_record_when_swept_then_it_is_left_alone(
        self, provider: ProcessProvider, spec: SandboxSpec
    ) -> None:
        stray = spec.state_dir / records.FOLDER / "stray.json"
        stray.parent.mkdir(parents=True)
        stray.write_text('{"runId": ')
        assert await provider.sweep(spec.state_dir) == 0
        assert stray.exists()

    async def test_given_no_state_at_all_when_swept_then_nothing_happens(
        self, provider: ProcessProvider, tmp_path: Path
    ) -> None:
        assert await provider.sweep(tmp_path / "never-made") == 0


@pytest.fixture
async def worker(
    provider: ProcessProvider, spec: SandboxSpec, lifeline: Lifeline
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A worker process of its own, whose run has a family of descendants up."""
    with running(worker_argv(provider, spec, HOLD + MARKED_FAMILY + "wait")) as process:
        await lifeline.heard_from(MARKED_FAMILY_SIZE)
        yield process
    await provider.sweep(spec.state_dir)


@pytest.fixture
async def orphans(worker: subprocess.Popen[bytes], spec: SandboxSpec) -> int:
    """How many a sweep can find after its worker and its supervisor were killed in one moment."""
    supervisor = only_record(spec).supervisor.pid
    os.kill(supervisor, signal.SIGSTOP)  # else it would hear of the worker's death and do its work
    worker.kill()
    worker.wait()
    os.kill(supervisor, signal.SIGKILL)
    return MARKED_FAMILY_SIZE


def worker_argv(provider: ProcessProvider, spec: SandboxSpec, script: str) -> list[str]:
    use = "cgroup" if uses_cgroups(provider) else "walk"
    return [sys.executable, str(WORKER), use, spec.run_id, str(spec.workspace), str(spec.state_dir), script]


def record_of(spec: SandboxSpec, *, supervisor: Identity) -> records.ProcessRecord:
    """As a worker that no longer runs would have written it."""
    return records.ProcessRecord(
        name=f"{spec.run_id}-cafe",
        run_id=spec.run_id,
        boot_id=processtree.boot_id(),
        worker=Identity(os.getpid(), 1),
        supervisor=supervisor,
        cgroup=None,
    )
