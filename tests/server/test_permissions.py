"""The server chooses what agents may do: by task, agent and role; and no agent gets others to do more than it may."""

from pathlib import Path

import pytest
from tests.server.world import API_KEY, World, opened

from agent_swarm.config import SettingError
from agent_swarm.domain.errors import CannotBeEnforced
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.permissions import Files, Reach
from agent_swarm.server.profiles import profiles_of
from agent_swarm.server.settings import ServerSettings

pytestmark = pytest.mark.anyio

ABLE = ("enforces.files", "enforces.network")
# What a list of forbidden words would refuse, though some of it is harmless, and what would slip by it.
WORDS = (
    "explain what 'DELETE FROM users WHERE id = 1' does",
    "rm -rf / is what nobody should run; say why",
    "rm -fr /",
    "git push --force",
    "git push -f",
    "use postgres://db.example/shop, then terraform destroy and gh pr merge",
)


async def profile_of(world: World, task_id: str) -> str:
    attempts = (await world.get(f"/api/tasks/{task_id}/attempts"))["attempts"]
    return str(attempts[-1]["permissions"])


async def give(world: World, agent_id: str, profile: str | None, *, token: str = API_KEY) -> tuple[int, str]:
    answer = await world.call("PUT", f"/api/agents/{agent_id}/permissions", json={"profile": profile}, token=token)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


async def test_given_nothing_said_when_a_task_is_claimed_then_its_attempt_shows_the_usual_profile(world: World) -> None:
    ada, task_id = await world.register(), await world.file()
    await world.claim(ada)

    assert await profile_of(world, task_id) == "workspace-write"


@pytest.mark.parametrize("words", WORDS)
async def test_given_words_that_sound_dangerous_when_they_are_filed_and_written_then_they_decide_nothing(
    world: World, words: str
) -> None:
    ada, task_id = await world.register(), await world.file(words)
    said = await world.post("/api/messages", {"to": [ada.id], "text": words})

    await world.claim(ada)

    assert (await world.get(f"/api/tasks/{task_id}"))["prompt"] == said["text"] == words
    assert await profile_of(world, task_id) == "workspace-write"


async def test_given_a_task_that_names_a_profile_when_a_worker_cannot_enforce_it_then_it_waits_for_one_that_can(
    world: World,
) -> None:
    plain = await world.register("plain")
    task_id = await world.file(permissions="offline")
    requires = (await world.get(f"/api/tasks/{task_id}"))["requires"]

    with pytest.raises(AssertionError, match="nothing to claim"):
        await world.claim(plain)
    await world.claim(await world.register("able", capabilities=ABLE))

    assert requires["capabilities"] == sorted(ABLE)
    assert await profile_of(world, task_id) == "offline"


async def test_given_an_agent_with_a_profile_when_it_claims_then_that_holds_unless_the_task_names_one(
    world: World,
) -> None:
    ada = await world.register(capabilities=ABLE)
    assert await give(world, ada.id, "read-only") == (200, "")
    first, second = await world.file(), await world.file(permissions="offline")
    for _ in range(2):
        await world.claim(ada)

    assert (await profile_of(world, first), await profile_of(world, second)) == ("read-only", "offline")
    assert (await world.get(f"/api/agents/{ada.id}"))["permissions"] == "read-only"
    events = (await world.get("/api/events?limit=200"))["events"]
    assert [event["data"] for event in events if event["type"] == "agent.permissions"] == [{"profile": "read-only"}]


async def test_given_an_agent_with_a_profile_when_it_registers_anew_then_it_keeps_it(world: World) -> None:
    ada = await world.register(capabilities=ABLE)
    await give(world, ada.id, "read-only")
    await world.register(agent_id=ada.id, capabilities=ABLE)
    assert (await world.get(f"/api/agents/{ada.id}"))["permissions"] == "read-only"

    with pytest.raises(CannotBeEnforced, match=r"'read-only', which its worker cannot enforce.*enforces\.files"):
        await world.register(agent_id=ada.id)


async def test_given_a_worker_that_cannot_enforce_a_profile_when_its_agent_is_given_it_then_that_is_refused(
    world: World,
) -> None:
    ada = await world.register()

    assert await give(world, ada.id, "read-only") == (409, "cannotBeEnforced")
    assert await give(world, ada.id, "no-such") == (422, "unknownReference")
    assert await give(world, ada.id, "full") == (200, "")
    assert await give(world, ada.id, None) == (200, "")


async def test_given_an_attempt_token_when_it_asks_for_another_profile_then_it_is_denied(world: World) -> None:
    lead = await world.register(role=AgentRole.LEAD, capabilities=ABLE)
    await world.file(agentId=lead.id)
    claim = await world.claim(lead)

    assert await give(world, lead.id, "full", token=claim.token) == (403, "denied")


async def test_given_a_read_only_attempt_of_a_lead_when_it_files_a_task_then_its_token_may_not(world: World) -> None:
    lead = await world.register(role=AgentRole.LEAD, capabilities=ABLE)
    await world.file(agentId=lead.id, permissions="read-only")
    claim = await world.claim(lead)

    answer = await world.call("POST", "/api/tasks", json={"prompt": "x"}, token=claim.token)

    assert answer.status_code == 403
    assert (await world.call("GET", "/api/tasks", token=claim.token)).status_code == 200


async def test_given_a_lead_under_a_profile_when_it_files_tasks_then_they_get_no_more_than_it_has(world: World) -> None:
    lead = await world.register(role=AgentRole.LEAD, capabilities=ABLE)
    await world.file(agentId=lead.id, permissions="offline")
    claim = await world.claim(lead)

    async def filed(**fields: str) -> tuple[int, str | None]:
        answer = await world.call("POST", "/api/tasks", json={"prompt": "x", **fields}, token=claim.token)
        return answer.status_code, answer.json().get("permissions")

    assert await filed() == (201, "offline")
    assert await filed(permissions="offline") == (201, "offline")
    assert await filed(permissions="workspace-write") == (403, None)
    assert await filed(permissions="full") == (403, None)


async def test_given_a_default_for_a_role_when_its_agents_claim_then_it_is_required(tmp_path: Path) -> None:
    async with opened(tmp_path, worker_permissions="read-only") as world:
        with pytest.raises(CannotBeEnforced):
            await world.register()
        ada, task_id = await world.register(capabilities=ABLE), await world.file()
        await world.claim(ada)
        assert await profile_of(world, task_id) == "read-only"
        await world.register(role=AgentRole.LEAD)


PROFILES = """
[profiles.build]
network = "allow"
allow = ["files.example:443"]
deniedTools = ["WebFetch"]
mayFileTasks = false
"""


def settings(tmp_path: Path, text: str, **more: str) -> ServerSettings:
    (tmp_path / "profiles.toml").write_text(text)
    return ServerSettings(data_dir=tmp_path, profiles_file=tmp_path / "profiles.toml", **more)  # type: ignore[arg-type]


async def test_given_a_file_of_profiles_when_the_server_starts_then_they_are_beside_those_built_in(
    tmp_path: Path,
) -> None:
    build = profiles_of(settings(tmp_path, PROFILES)).by_name["build"]
    assert (build.files, build.network, build.allow) == (Files.WORKSPACE, Reach.ALLOW, ("files.example:443",))
    assert (build.denied_tools, build.may_file) == (("WebFetch",), False)

    async with opened(tmp_path, profiles_file=tmp_path / "profiles.toml") as world:
        shown = await world.get("/api/permission-profiles")
    assert [one["name"] for one in shown["profiles"]] == ["build", "full", "offline", "read-only", "workspace-write"]


@pytest.mark.parametrize(
    "text",
    [
        "[profiles.full]",
        "[profiles.Big]",
        '[profiles.a]\nfiles = "all"',
        '[profiles.a]\nreach = "off"',
        "[profiles.a]\nallow = [1]",
        "[profiles.a]\nmayFileTasks = 1",
        "[other]",
        "no toml",
    ],
)
def test_given_a_file_of_profiles_that_cannot_be_used_when_the_server_starts_then_it_says_why(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(SettingError, match="AGENT_SWARM_PROFILES"):
        profiles_of(settings(tmp_path, text))


def test_given_a_default_that_is_no_profile_when_the_server_starts_then_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="AGENT_SWARM_LEAD_PERMISSIONS: there is no permission profile 'nope'"):
        profiles_of(settings(tmp_path, PROFILES, lead_permissions="nope"))


async def test_given_an_agent_that_files_too_much_when_it_files_more_then_the_cap_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path, max_children=2) as world:
        lead = await world.register(role=AgentRole.LEAD)
        await world.file(agentId=lead.id)
        claim = await world.claim(lead)
        answers = [await world.call("POST", "/api/tasks", json={"prompt": "x"}, token=claim.token) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 409]
    error = answers[-1].json()["error"]
    assert (error["code"], error["details"]["limit"]) == ("capReached", 2)
    assert "AGENT_SWARM_MAX_CHILDREN" in error["hint"]
