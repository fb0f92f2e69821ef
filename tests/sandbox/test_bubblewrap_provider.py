"""Provider `bubblewrap`: the contract, what it claims, and what happens when its own guards are killed."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent_swarm.sandbox import processtree, records
from agent_swarm.sandbox.base import Exit, Launch, Network, NetworkMode, SandboxCapability, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.sandbox.errors import CannotEnforce, SandboxError
from agent_swarm.testing.isolation_contract import IsolationContract
from agent_swarm.testing.lifeline import FAMILY, FAMILY_SIZE, HOLD, Lifeline
from agent_swarm.testing.sandbox_contract import SandboxContract, SandboxFixtures, StartScript
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

WORKER = Path(__file__).with_name("short_lived_worker.py")
PLAIN_USER = Path(__file__).with_name("plain_user.py")
PACKAGE = Path(records.__file__).parent.parent
SYSTEM_PYTHON = Path("/usr/bin/python3")
NOBODY = "65534"


@pytest.fixture
async def provider() -> BubblewrapProvider:
    provider = BubblewrapProvider()
    probe = await provider.probe()
    if not probe.usable:
        pytest.skip(f"bubblewrap does not work on this host: {probe.detail}; {probe.remedy}")
    return provider


@pytest.fixture
def allowing(spec: SandboxSpec) -> SandboxSpec:
    return replace(spec, network=Network(mode=NetworkMode.ALLOW, allow=("example.org",), own=("127.0.0.1:9009",)))


def only_record(spec: SandboxSpec) -> records.ProcessRecord:
    [record] = records.read_all(spec.state_dir)
    return record


def traces_of(spec: SandboxSpec) -> list[Path]:
    return list((spec.state_dir / records.FOLDER).glob("*"))


@pytest.mark.slow
class TestContract(IsolationContract, SandboxContract):
    """The suites that every provider passes, and every one that isolates."""


class TestClaims(SandboxFixtures):
    """It claims what a probe has shown, and nothing else."""

    async def test_given_no_probe_when_it_is_asked_what_it_can_do_then_it_claims_nothing_and_opens_nothing_special(
        self, spec: SandboxSpec
    ) -> None:
        provider = BubblewrapProvider()
        assert provider.capabilities == frozenset()
        with pytest.raises(CannotEnforce, match="'bubblewrap' cannot enforce networkOff"):
            await provider.open(replace(spec, network=Network(mode=NetworkMode.OFF)))

    async def test_given_a_host_where_it_works_when_it_was_probed_then_it_claims_files_processes_and_network(
        self, provider: BubblewrapProvider
    ) -> None:
        claimed = {SandboxCapability.REAPS_DESCENDANTS, SandboxCapability.FILESYSTEM_ISOLATED}
        assert claimed <= provider.capabilities
        assert SandboxCapability.MEMORY_LIMIT not in provider.capabilities

    async def test_given_no_bubblewrap_when_it_is_probed_then_it_says_what_to_install_and_claims_nothing(
        self, provider: BubblewrapProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        probe = await provider.probe()
        assert (probe.usable, provider.capabilities) == (False, frozenset())
        assert "install the package bubblewrap" in probe.remedy

    async def test_given_a_bubblewrap_that_isolates_nothing_when_it_is_probed_then_it_is_not_believed(
        self, provider: BubblewrapProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        fake = tmp_path / "bwrap"
        fake.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec unshare -pf --kill-child "$@"\n')
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        probe = await provider.probe()
        assert (probe.usable, provider.capabilities) == (False, frozenset())


class TestOneRun(SandboxFixtures):
    """What this provider promises beyond the contract, while its worker lives."""

    async def test_given_a_launch_when_it_runs_then_it_has_standard_streams_and_no_other_descriptor(
        self, provider: BubblewrapProvider, allowing: SandboxSpec, workspace: Path
    ) -> None:
        sandbox = await provider.open(allowing)
        process = await sandbox.start(Launch(argv=("ls", "/proc/self/fd"), cwd=workspace, env={}))
        assert [line async for line in process.lines()] == [b"0", b"1", b"2", b"3"]  # 3 is what ls reads
        await sandbox.close()

    async def test_given_a_running_command_when_its_pid_is_asked_for_then_it_is_the_hosts_number_for_it(
        self, start: StartScript, lifeline: Lifeline
    ) -> None:
        process = await start(HOLD + "echo up >&9; exec sleep 1000")
        await lifeline.heard_from(1)
        await until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")

    async def test_given_a_run_that_ended_when_its_traces_are_looked_for_then_there_are_none(
        self, start: StartScript, spec: SandboxSpec
    ) -> None:
        process = await start("exit 0")
        await process.wait()
        assert traces_of(spec) == []

    async def test_given_a_writable_folder_that_is_missing_when_a_command_is_started_then_the_error_names_it(
        self, provider: BubblewrapProvider, spec: SandboxSpec, tmp_path: Path
    ) -> None:
        sandbox = await provider.open(replace(spec, writable=(tmp_path / "gone",)))
        launch = Launch(argv=("true",), cwd=spec.workspace, env={})
        # At once, so that some end before they are looked at.
        ended = await asyncio.gather(*(sandbox.start(launch) for _ in range(16)), return_exceptions=True)
        assert all(isinstance(one, SandboxError) and "gone" in one.message for one in ended), ended
        await sandbox.close()
        assert traces_of(spec) == []

    async def test_given_an_allowed_loopback_address_with_a_low_port_when_a_run_connects_to_it_then_it_is_reached(
        self, provider: BubblewrapProvider, spec: SandboxSpec
    ) -> None:
        sandbox = await provider.open(replace(spec, network=Network(mode=NetworkMode.ALLOW, own=("localhost:79",))))
        connect = "import socket; socket.create_connection(('127.0.0.1', 79), 5).close()"
        argv = (sys.executable, "-I", "-c", connect)
        process = await sandbox.start(Launch(argv=argv, cwd=spec.workspace, env={}))
        assert (await process.wait(), process.error_tail()) == (Exit(0), "")
        await sandbox.close()

    async def test_given_many_runs_with_a_list_when_they_have_ended_then_no_descriptor_of_the_worker_is_left(
        self, provider: BubblewrapProvider, allowing: SandboxSpec, workspace: Path
    ) -> None:
        async def run_one() -> None:
            sandbox = await provider.open(allowing)
            await sandbox.start(Launch(argv=("sh", "-c", "echo unread"), cwd=workspace, env={}))
            await sandbox.close()

        await run_one()
        before = set(os.listdir("/proc/self/fd"))
        for _ in range(10):
            await run_one()
        await until(lambda: set(os.listdir("/proc/self/fd")) <= before)

    async def test_given_a_host_that_is_denied_when_it_is_asked_for_again_and_again_then_the_worker_is_told_once(
        self, allowing: SandboxSpec, workspace: Path
    ) -> None:
        told: list[tuple[str, int]] = []
        provider = BubblewrapProvider(on_denied=lambda host, port, why: told.append((host, port)))
        if SandboxCapability.NETWORK_ALLOWLIST not in (await provider.probe(), provider.capabilities)[1]:
            pytest.skip("bubblewrap does not isolate the network on this host")
        sandbox = await provider.open(allowing)
        ask = (
            "import os, urllib.request\n"
            "for _ in range(3):\n"
            "    try: urllib.request.urlopen('http://example.com/?token=secret')\n"
            "    except OSError: pass\n"
        )
        process = await sandbox.start(Launch(argv=(sys.executable, "-I", "-c", ask), cwd=workspace, env={}))
        assert await process.wait() == Exit(0)
        await sandbox.close()
        assert told == [("example.com", 80)]


@pytest.mark.slow
class TestGuardsAreKilled(SandboxFixtures):
    """bwrap, the first process of the namespace or the worker is killed: the run does not outlive them."""

    @pytest.mark.parametrize("which", ["bwrap", "first"])
    async def test_given_what_holds_a_namespace_when_it_is_killed_then_nothing_of_the_run_is_left(
        self, start: StartScript, spec: SandboxSpec, lifeline: Lifeline, which: str
    ) -> None:
        process = await start(HOLD + FAMILY + "wait")
        await lifeline.heard_from(FAMILY_SIZE)
        bwrap = only_record(spec).supervisor.pid
        victim = bwrap if which == "bwrap" else processtree.known_inside_as(1, below=bwrap)
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        assert await process.wait() == Exit(None, signal.SIGKILL)
        await lifeline.released(within=5)
        assert traces_of(spec) == []

    async def test_given_a_bwrap_that_is_stopped_when_the_run_is_killed_then_nothing_of_it_is_left(
        self, start: StartScript, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        process = await start(HOLD + FAMILY + "wait")
        await lifeline.heard_from(FAMILY_SIZE)
        os.kill(only_record(spec).supervisor.pid, signal.SIGSTOP)
        await process.kill()
        assert not lifeline.is_held()
        assert traces_of(spec) == []

    async def test_given_a_worker_that_is_killed_when_the_next_one_sweeps_then_nothing_runs_and_no_trace_is_left(
        self, worker: "subprocess.Popen[bytes]", provider: BubblewrapProvider, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        supervisor = only_record(spec).supervisor
        worker.kill()
        worker.wait()
        await lifeline.released(within=5)
        await until(lambda: not supervisor.is_running())
        assert await provider.sweep(spec.state_dir) == 0
        assert traces_of(spec) == []

    async def test_given_a_worker_killed_and_its_bwrap_stopped_when_the_next_one_sweeps_then_all_are_ended(
        self, worker: "subprocess.Popen[bytes]", provider: BubblewrapProvider, spec: SandboxSpec, lifeline: Lifeline
    ) -> None:
        os.kill(only_record(spec).supervisor.pid, signal.SIGSTOP)
        worker.kill()
        worker.wait()
        await provider.sweep(spec.state_dir)
        await lifeline.released(within=5)
        assert traces_of(spec) == []


class TestAnotherUser:
    """A worker that is not root isolates by user namespaces."""

    def test_given_a_user_without_privileges_when_it_runs_something_then_that_is_isolated_too(
        self, plain_folder: Path
    ) -> None:
        script = "id -u; ls -A ~; ls /proc | grep -c '^[0-9]'; echo kept > file; cat /proc/net/dev | wc -l; exit 137"
        command = [str(SYSTEM_PYTHON), str(plain_folder / PLAIN_USER.name), str(plain_folder), script]
        ended = subprocess.run(
            ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", *command],
            env={"PATH": os.defpath, "PYTHONPATH": str(plain_folder / "source"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        said = json.loads(ended.stdout)
        if not said["usable"]:
            pytest.skip(f"bubblewrap does not work for another user on this host: {said['detail']}")
        uid, processes, network = said["lines"]
        assert (uid, said["exit"]) == (NOBODY, "exit code 137")
        assert int(processes) <= 5 and network == "3", "two lines of heading, and loopback"
        assert (plain_folder / "workspace" / "file").read_text() == "kept\n"

    @pytest.fixture
    def plain_folder(self) -> Iterator[Path]:
        """A folder of that user's, with the sources in it: it may not see those of this checkout."""
        if os.geteuid() != 0 or shutil.which("setpriv") is None:
            pytest.skip("only root can become another user; without it, the other tests are about this very case")
        version = subprocess.run(
            [SYSTEM_PYTHON, "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True, check=False
        )
        if version.stdout.strip() != b"True":
            pytest.skip("there is no Python 3.11 that every user can start")
        folder = Path(tempfile.mkdtemp(prefix="agent-swarm-test-"))
        for name in ("sandbox", "domain"):
            shutil.copytree(PACKAGE / name, folder / "source" / "agent_swarm" / name)
        shutil.copy(PACKAGE / "__init__.py", folder / "source" / "agent_swarm")
        shutil.copy(PLAIN_USER, folder)
        for name in ("workspace", "state", "home"):
            (folder / name).mkdir()
        (folder / "home" / "canary").touch()
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, int(NOBODY), int(NOBODY))
        yield folder
        shutil.rmtree(folder)


@pytest.fixture
async def worker(
    provider: BubblewrapProvider, spec: SandboxSpec, lifeline: Lifeline
) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """A worker process of its own, whose run has a family of descendants up."""
    script = HOLD + FAMILY + "wait"
    argv = [sys.executable, str(WORKER), provider.name, spec.run_id, str(spec.workspace), str(spec.state_dir), script]
    with subprocess.Popen(argv) as process:  # noqa: ASYNC220 - it only forks
        await lifeline.heard_from(FAMILY_SIZE)
        yield process
        process.kill()
    await provider.sweep(spec.state_dir)
