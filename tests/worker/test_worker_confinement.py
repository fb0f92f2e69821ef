"""What runs may see, change and reach: chosen at the worker's start, and told to every sandbox."""

from pathlib import Path

import pytest
from tests.worker.crew import AGENT_ID, MakeSettings, StartWorker

from agent_swarm.config import SettingError
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.harness.base import Grants
from agent_swarm.protocol.pool import Permissions
from agent_swarm.sandbox.base import Network, NetworkMode, Probe, Sandbox, SandboxCapability, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.worker import confinement
from agent_swarm.worker.capabilities import offered_by, usable_provider
from agent_swarm.worker.permissions import confinement_of
from agent_swarm.worker.settings import load_settings
from agent_swarm.worker.turns import Employer
from agent_swarm.worker.workspace import Workspace, open_folders

pytestmark = pytest.mark.anyio

OFF, FILES = SandboxCapability.NETWORK_OFF, SandboxCapability.FILESYSTEM_ISOLATED


class Provider:
    """A kind of sandbox of which only the probe counts."""

    def __init__(self, name: str, probe: Probe, *capabilities: SandboxCapability) -> None:
        self.name = name
        self.capabilities = frozenset(capabilities)
        self._probe = probe

    async def probe(self) -> Probe:
        return self._probe

    async def open(self, spec: SandboxSpec) -> Sandbox:
        raise NotImplementedError

    async def sweep(self, state_dir: Path) -> int:
        raise NotImplementedError


def known(*providers: Provider) -> dict[str, Provider]:
    return {provider.name: provider for provider in providers}


BROKEN = Provider("box", Probe(False, "no namespaces", "allow them"))
WORKS = Provider("box", Probe(True), FILES, OFF)
PLAIN = Provider("plain", Probe(True))


@pytest.mark.parametrize(
    ("name", "best", "needs", "chosen"),
    [
        ("auto", WORKS, [], "box"),
        ("auto", BROKEN, [], "plain"),
        ("auto", WORKS, [OFF], "box"),
        ("plain", WORKS, [], "plain"),
        ("box", WORKS, [FILES], "box"),
    ],
)
async def test_given_what_works_on_a_host_when_a_sandbox_is_chosen_then_it_is_the_first_that_does_what_is_needed(
    name: str, best: Provider, needs: list[SandboxCapability], chosen: str
) -> None:
    assert (await usable_provider(name, known(best, PLAIN), needs=needs)).name == chosen


@pytest.mark.parametrize(
    ("name", "best", "needs", "reason", "hint"),
    [
        ("auto", BROKEN, [OFF], "'box' does not work on this host: no namespaces", "allow them"),
        ("box", BROKEN, [], "'box' does not work on this host: no namespaces", "allow them"),
        ("plain", WORKS, [OFF], "'plain' cannot enforce networkOff here", ""),
        ("jail", WORKS, [], "there is no sandbox 'jail'", "auto, box, plain"),
    ],
)
async def test_given_nothing_that_does_what_is_needed_when_a_sandbox_is_chosen_then_the_worker_is_told_why(
    name: str, best: Provider, needs: list[SandboxCapability], reason: str, hint: str
) -> None:
    with pytest.raises(SettingError, match=reason) as refusal:
        await usable_provider(name, known(best, PLAIN), needs=needs)
    assert hint in refusal.value.hint


def test_given_a_sandbox_that_isolates_when_it_is_advertised_then_who_asks_for_plain_processes_may_have_it() -> None:
    assert offered_by(BubblewrapProvider()) == ("bubblewrap", "process")


FULL_ABILITIES = frozenset(SandboxCapability)


def spec_of(
    tmp_path: Path,
    settings: MakeSettings,
    environ: dict[str, str],
    grants: Grants,
    url: str,
    asked: Permissions | None = None,
) -> SandboxSpec:
    workers = tmp_path / "workers" / AGENT_ID
    employer = Employer(
        settings=settings(url, network=NetworkMode.ALLOW, network_allow=("*.example.org",), writable=(tmp_path / "w",)),
        agent_id=AGENT_ID,
        folders=open_folders(AGENT_ID, workers),
        environ=environ,
        abilities=frozenset(),
        mcp_servers={},
        mcp_path=str,
    )
    run = workers / "runs" / "task" / "1"
    workspace = Workspace(
        task_id="task",
        attempt=1,
        project=None,
        path=run / "work",
        state_dir=run / "state",
        git_dir=run / "git",
        objects=workers / "mirrors" / "p.git" / "objects",
    )
    held_to = confinement_of(asked, FULL_ABILITIES, grants, harness="shell")
    return confinement.sandbox_spec("run", workspace, employer, grants, held_to, records=workers / "sandbox")


def test_given_a_run_when_its_sandbox_is_described_then_it_gets_its_own_folders_and_not_those_of_the_worker(
    tmp_path: Path, settings: MakeSettings
) -> None:
    spec = spec_of(tmp_path, settings, {}, Grants(readable=(Path("/opt/agent"),)), "http://127.0.0.1:3013")
    home, shared = tmp_path / "workers" / AGENT_ID, tmp_path / "shared"
    run = home / "runs" / "task" / "1"
    kinds = ("thoughts", "memory", "downloads", "misc")
    assert set(spec.writable) == {
        *(run / "git", run / "state" / "agent", home / "personal", tmp_path / "w"),
        *(shared / kind / AGENT_ID for kind in kinds),
    }
    mirror = home / "mirrors" / "p.git" / "objects"
    assert set(spec.readable) == {run / "state", mirror, shared, Path("/opt/agent")}


@pytest.mark.parametrize(
    ("url", "environ", "variables", "own"),
    [
        ("http://127.0.0.1:3013", {}, (), ("127.0.0.1:3013",)),
        ("https://swarm.example.com", {}, (), ("swarm.example.com:443",)),
        ("http://[::1]:3013", {}, (), ("[::1]:3013",)),
        ("http://api", {"ANTHROPIC_BASE_URL": "http://localhost:8080/v1"}, (), ("api:80",)),
        (
            "http://api",
            {"ANTHROPIC_BASE_URL": "http://localhost:8080/v1"},
            ("ANTHROPIC_BASE_URL",),
            ("api:80", "localhost:8080"),
        ),
        ("http://api", {}, ("ANTHROPIC_BASE_URL",), ("api:80", "api.anthropic.com:443")),
        ("http://api", {"ANTHROPIC_BASE_URL": "nonsense"}, ("ANTHROPIC_BASE_URL",), ("api:80",)),
        ("http://api", {}, ("COPILOT_PROVIDER_BASE_URL",), ("api:80",)),
        (
            "http://api",
            {"COPILOT_PROVIDER_BASE_URL": "http://127.0.0.1:11434/v1"},
            ("COPILOT_PROVIDER_BASE_URL",),
            ("api:80", "127.0.0.1:11434"),
        ),
    ],
)
def test_given_a_list_of_hosts_when_a_sandbox_is_described_then_the_server_and_the_model_of_the_run_are_on_it(
    url: str,
    environ: dict[str, str],
    variables: tuple[str, ...],
    own: tuple[str, ...],
    tmp_path: Path,
    settings: MakeSettings,
) -> None:
    spec = spec_of(tmp_path, settings, environ, Grants(variables=variables), url)
    assert spec.network == Network(mode=NetworkMode.ALLOW, allow=("*.example.org",), own=own)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENT_SWARM_NETWORK", "maybe"),
        ("AGENT_SWARM_NETWORK_ALLOW", "https://example.org/"),
        ("AGENT_SWARM_READABLE", "relative/path"),
        ("AGENT_SWARM_WRITABLE", "/ok,relative"),
    ],
)
def test_given_a_setting_of_the_sandbox_that_makes_no_sense_when_loaded_then_the_message_names_it(
    name: str, value: str
) -> None:
    with pytest.raises(SettingError, match=name):
        load_settings(environ={"API_KEY": "k", name: value})


class TestInASandboxThatIsolates:
    """The whole way, from a worker's settings to what an agent finds."""

    @pytest.fixture(autouse=True)
    async def bubblewrap(self) -> None:
        provider = BubblewrapProvider()
        probe = await provider.probe()
        if not (probe.usable and OFF in provider.capabilities):
            pytest.skip(f"bubblewrap does not work on this host: {probe.detail}; {probe.remedy}")

    async def test_given_a_worker_when_its_agent_looks_around_then_it_sees_its_own_run_and_no_key_of_anyone(
        self, start_worker: StartWorker, tmp_path: Path
    ) -> None:
        (tmp_path / "api-key").write_text("secret")
        async with FakePool() as server, start_worker(server.url, sandbox="bubblewrap"):
            workers = tmp_path / "workers" / AGENT_ID
            script = f"cd {tmp_path}; ls; ls {workers}; ls {workers}/runs/*/*; cat {tmp_path}/api-key || echo none"
            task_id = server.add_task(script)
            await server.until_status(task_id, TaskStatus.COMPLETED)
            shown = server.tasks[task_id].attempt.texts()
        assert shown == ["shared", "signals", "workers", "personal", "runs", "state", "work", "none"]
        assert {"sandbox.bubblewrap", "sandbox.process"} <= set(server.registrations[0].capabilities)

    @pytest.mark.parametrize(
        ("mode", "is_reached"), [(NetworkMode.ON, True), (NetworkMode.ALLOW, True), (NetworkMode.OFF, False)]
    )
    async def test_given_a_kind_of_network_when_an_agent_asks_the_server_then_it_answers_unless_there_is_none(
        self, start_worker: StartWorker, mode: NetworkMode, is_reached: bool
    ) -> None:
        async with FakePool() as server, start_worker(server.url, sandbox="bubblewrap", network=mode, harness="script"):
            task_id = server.add_task('create-task {"prompt": "more"}', harness="script")
            task = server.tasks[task_id]
            await server.until(lambda: task.attempts and task.attempts[-1].outcome is not None)
            codes = {attempt.code for attempt in task.attempts}
        assert ("unreachable" in codes) is not is_reached
