"""The permission profile of a claim: what of it holds for a run, and what is refused before anything runs."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.worker.crew import StartWorker

from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus
from agent_swarm.harness.base import Grants, PermissionMode, Permissions
from agent_swarm.protocol import pool
from agent_swarm.sandbox.base import Network, NetworkMode, SandboxCapability
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.sandbox.errors import CannotEnforce
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.worker.permissions import confinement_of, network_within, tools_within

pytestmark = pytest.mark.anyio

EVERYTHING = frozenset(SandboxCapability)
READ_ONLY = pool.Permissions(profile="read-only", required=True, files="read")
OFFLINE = pool.Permissions(profile="offline", required=True, network="off")
USUAL = pool.Permissions(profile="workspace-write")
NO_WEB = pool.Permissions(profile="no-web", required=True, files="worker", denied_tools=("WebFetch",))
ANY_TOOL = Grants(enforces_tools=True)


@pytest.mark.parametrize("asked", [READ_ONLY, OFFLINE], ids=["read-only", "offline"])
def test_given_a_required_profile_when_the_sandbox_cannot_enforce_it_then_the_run_is_refused_with_the_reason(
    asked: pool.Permissions,
) -> None:
    with pytest.raises(CannotEnforce, match=rf"'{asked.profile}' is required .* filesystemIsolated"):
        confinement_of(asked, {SandboxCapability.REAPS_DESCENDANTS}, ANY_TOOL, harness="claude")


def test_given_a_profile_that_denies_tools_when_the_harness_has_none_then_the_run_is_refused() -> None:
    with pytest.raises(CannotEnforce, match="harness 'shell' has no tools"):
        confinement_of(NO_WEB, EVERYTHING, Grants(), harness="shell")
    assert confinement_of(NO_WEB, EVERYTHING, ANY_TOOL, harness="claude").is_enforced


def test_given_the_usual_profile_when_it_cannot_be_enforced_then_the_run_goes_on_and_says_so() -> None:
    assert not confinement_of(USUAL, (), Grants(), harness="shell").is_enforced
    assert confinement_of(USUAL, EVERYTHING, Grants(), harness="shell").is_enforced


@pytest.mark.parametrize(
    ("own", "asked", "mode", "allow"),
    [
        (Network(), pool.Permissions(profile="p"), "on", ()),
        (Network(), OFFLINE, "off", ()),
        (Network(mode=NetworkMode.OFF), pool.Permissions(profile="p", network="allow", allow=("a",)), "off", ()),
        (Network(), pool.Permissions(profile="p", network="allow", allow=("a", "b")), "allow", ("a", "b")),
        (
            Network(mode=NetworkMode.ALLOW, allow=("b", "c")),
            pool.Permissions(profile="p", network="allow", allow=("a", "b")),
            "allow",
            ("b",),
        ),
        (Network(mode=NetworkMode.ALLOW, allow=("b",)), pool.Permissions(profile="p"), "allow", ("b",)),
    ],
)
def test_given_a_network_of_the_worker_and_one_of_the_profile_when_they_meet_then_the_narrower_one_holds(
    own: Network, asked: pool.Permissions, mode: str, allow: tuple[str, ...]
) -> None:
    found = network_within(own, asked)
    assert found.mode == mode
    assert found.mode is not NetworkMode.ALLOW or found.allow == allow


def test_given_a_read_only_profile_when_tools_are_chosen_then_those_that_write_are_refused_at_the_call() -> None:
    held_to = confinement_of(READ_ONLY, EVERYTHING, ANY_TOOL, harness="claude")

    tools = tools_within(Permissions(mode=PermissionMode.ALL), held_to)

    assert tools.mode is PermissionMode.ALLOWED
    assert {"Read", "Grep", "Bash"} <= set(tools.allowed_tools)
    assert not {"Edit", "Write", "NotebookEdit"} & set(tools.allowed_tools)


@pytest.mark.parametrize("abilities", [EVERYTHING, frozenset()], ids=["a sandbox that can", "one that cannot"])
def test_given_a_read_only_profile_when_tools_are_chosen_then_the_harness_knows_whether_the_sandbox_sees_to_it(
    abilities: frozenset[SandboxCapability],
) -> None:
    held_to = confinement_of(READ_ONLY.model_copy(update={"required": False}), abilities, ANY_TOOL, harness="codex")

    assert tools_within(Permissions(mode=PermissionMode.ALL), held_to).by_sandbox is bool(abilities)


def test_given_a_worker_that_allows_little_when_a_profile_allows_more_then_the_workers_settings_hold() -> None:
    held_to = confinement_of(READ_ONLY, EVERYTHING, ANY_TOOL, harness="claude")
    full = confinement_of(pool.Permissions(profile="full", files="worker"), EVERYTHING, ANY_TOOL, harness="claude")
    own = Permissions(mode=PermissionMode.EDITS, allowed_tools=("Bash",), denied_tools=("WebFetch",))

    assert tools_within(own, full) == own
    assert tools_within(own, held_to).allowed_tools == ("Bash",)
    assert tools_within(Permissions(mode=PermissionMode.PLAN), held_to).mode is PermissionMode.PLAN


async def test_given_plain_processes_when_a_read_only_task_is_claimed_then_nothing_runs_and_it_is_not_tried_again(
    start_worker: StartWorker, signals: Path
) -> None:
    async with FakePool() as server, start_worker(server.url, sandbox="process"):
        task_id = server.add_task(f"touch {signals}/ran", permissions=READ_ONLY.model_dump())
        attempt = (await server.until(lambda: server.tasks[task_id].attempts))[0]
        await server.until(lambda: attempt.outcome)

    assert (attempt.outcome, attempt.code) == (AttemptOutcome.FAILED, "cannotEnforce")
    assert server.tasks[task_id].state.status is TaskStatus.FAILED
    assert "read-only" in attempt.message
    assert not (signals / "ran").exists()
    assert not any(name.startswith("enforces.") for name in server.registrations[0].capabilities)


class TestInASandboxThatIsolates:
    """What an agent under a profile finds."""

    @pytest.fixture(autouse=True)
    async def bubblewrap(self) -> None:
        provider = BubblewrapProvider()
        probe = await provider.probe()
        if not (probe.usable and SandboxCapability.NETWORK_OFF in provider.capabilities):
            pytest.skip(f"bubblewrap does not work on this host: {probe.detail}; {probe.remedy}")

    @pytest.mark.slow
    async def test_given_a_read_only_profile_when_the_agent_writes_then_it_is_told_that_it_may_not(
        self, start_worker: StartWorker, signals: Path
    ) -> None:
        places = f"x $AGENT_SWARM_PERSONAL_DIR/x {signals}/x"
        script = f"for f in {places}; do (echo x > $f) 2>&1 || true; done; echo ok > $TMPDIR/x && cat $TMPDIR/x; pwd"
        async with FakePool() as server, start_worker(server.url, sandbox="bubblewrap"):
            task_id = server.add_task(script, permissions=READ_ONLY.model_dump())
            await server.until_status(task_id, TaskStatus.COMPLETED)
            shown = server.tasks[task_id].attempt.texts()

        assert sum("Read-only file system" in line for line in shown) == 3
        assert "ok" in shown
        assert not (signals / "x").exists()
        assert {"enforces.files", "enforces.network"} <= set(server.registrations[0].capabilities)

    @pytest.mark.slow
    async def test_given_an_offline_profile_when_the_agent_looks_for_a_network_then_there_is_none(
        self, start_worker: StartWorker
    ) -> None:
        async with FakePool() as server, start_worker(server.url, sandbox="bubblewrap"):
            task_id = server.add_task("ls /sys/class/net; echo x > file; cat file", permissions=OFFLINE.model_dump())
            await server.until_status(task_id, TaskStatus.COMPLETED)
            shown = server.tasks[task_id].attempt.texts()

        assert shown[-1] == "x"
        assert not {"eth0", "wlan0"} & set(shown)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.text(max_size=10) | ANY_JSON,
        "required": st.booleans() | ANY_JSON,
        "files": st.sampled_from(["read", "workspace", "worker"]) | ANY_JSON,
        "network": st.sampled_from(["off", "allow", "worker"]) | ANY_JSON,
        "allow": st.lists(st.text(max_size=10), max_size=3) | ANY_JSON,
        "denied_tools": st.lists(st.text(max_size=10), max_size=3) | ANY_JSON,
        "new": ANY_JSON,
    },
)


@settings(deadline=None)
@given(FIELDS | ANY_JSON, st.frozensets(st.sampled_from(SandboxCapability)), st.booleans())
def test_given_any_permissions_in_a_claim_when_a_run_is_held_to_them_then_they_are_refused_or_none_is_widened(
    told: object, abilities: frozenset[SandboxCapability], has_tools: bool
) -> None:
    try:
        asked = pool.Permissions.model_validate(told)
        held_to = confinement_of(asked, abilities, Grants(enforces_tools=has_tools), harness="any")
    except (ValidationError, CannotEnforce):
        return
    own = Network(mode=NetworkMode.ALLOW, allow=("mine.example",))
    network = network_within(own, asked)
    tools = tools_within(Permissions(mode=PermissionMode.EDITS, denied_tools=("Bash",)), held_to)
    assert network.mode is not NetworkMode.ON and set(network.allow) <= set(own.allow)
    assert tools.mode is not PermissionMode.ALL and "Bash" in tools.denied_tools
    assert held_to.is_enforced or not asked.required
