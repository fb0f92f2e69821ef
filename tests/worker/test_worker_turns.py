"""What agents are told and allowed, by the settings of their worker."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.config import SettingError
from agent_swarm.harness.base import Outcome, PermissionMode
from agent_swarm.sandbox.base import SandboxCapability
from agent_swarm.worker.mcp_servers import OWN, read_servers, secrets_of, servers_of_run
from agent_swarm.worker.settings import WorkerSettings, load_settings
from agent_swarm.worker.stops import Stop, Whereabouts, unfinished
from agent_swarm.worker.turns import permissions_of

ISOLATED = frozenset({SandboxCapability.FILESYSTEM_ISOLATED})


def settings(**environ: str) -> WorkerSettings:
    return load_settings(environ={"API_KEY": "key-of-the-server", **environ}, toml=Path("/nonexistent"))


@pytest.mark.parametrize(
    ("environ", "isolated", "mode"),
    [
        ({}, False, PermissionMode.EDITS),
        ({}, True, PermissionMode.ALL),
        ({"AGENT_SWARM_PERMISSION_MODE": "plan"}, True, PermissionMode.PLAN),
        ({"YOLO": "true"}, False, PermissionMode.ALL),
        ({"YOLO": "true", "AGENT_SWARM_PERMISSION_MODE": "edits"}, False, PermissionMode.ALL),
        ({"YOLO": "false", "AGENT_SWARM_PERMISSION_MODE": "edits"}, True, PermissionMode.EDITS),
    ],
)
def test_given_a_sandbox_and_settings_when_the_profile_is_chosen_then_agents_may_only_do_what_is_kept_in(
    environ: dict[str, str], isolated: bool, mode: PermissionMode
) -> None:
    permissions = permissions_of(settings(**environ), ISOLATED if isolated else frozenset())
    assert permissions.mode is mode
    assert permissions.by_sandbox is (isolated and mode is PermissionMode.EDITS), (
        "edits are what a sandbox keeps them to"
    )


def test_given_rules_with_commas_when_they_are_read_then_each_is_one_tool() -> None:
    told = settings(AGENT_SWARM_ALLOWED_TOOLS="Bash(git add *, git commit *), Read ,WebFetch(domain:example.org)")
    assert told.allowed_tools == ("Bash(git add *, git commit *)", "Read", "WebFetch(domain:example.org)")


@pytest.mark.parametrize(
    "environ",
    [
        {"AGENT_SWARM_PERMISSION_MODE": "everything"},
        {"AGENT_SWARM_MAX_TURNS": "-1"},
        {"AGENT_SWARM_MAX_COST_USD": "inf"},
        {"AGENT_SWARM_STALL_TIMEOUT": "soon"},
        {"YOLO": "perhaps"},
    ],
    ids=lambda environ: next(iter(environ)),
)
def test_given_a_setting_that_is_none_when_it_is_read_then_the_error_names_it(environ: dict[str, str]) -> None:
    with pytest.raises(SettingError, match=next(iter(environ))):
        settings(**environ)


def test_given_a_file_of_mcp_servers_when_it_is_read_then_its_tokens_are_secrets(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    server = {"type": "http", "url": "https://example.org/mcp", "headers": {"Authorization": "Bearer abc-token"}}
    path.write_text(json.dumps({"mcpServers": {"docs": server}}))
    servers = read_servers(path)
    assert servers == {"docs": server}
    assert set(secrets_of(servers)) == {"Bearer abc-token", "abc-token"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"mcpServers": []}', '{"mcpServers": {"a": 1}}'])
def test_given_a_file_without_servers_when_it_is_read_then_the_error_says_what_was_expected(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(content)
    with pytest.raises(SettingError, match="AGENT_SWARM_MCP_CONFIG") as refused:
        read_servers(path)
    assert "mcpServers" in refused.value.hint


@pytest.mark.parametrize(("retry_at", "seconds"), [(None, None), (1060.0, 60.0), (900.0, 0.0), (1e12, 8 * 86400)])
def test_given_a_limit_that_ends_when_the_attempt_fails_for_it_then_the_server_hears_how_long_that_takes(
    retry_at: float | None, seconds: float | None
) -> None:
    outcome = Outcome(ok=False, failure_code="rateLimit", message="used up", retry_at=retry_at)
    ending = unfinished(Stop.NONE, outcome, Whereabouts(), timeout=None, now=1000.0)
    told: Any = ending.body.get("retry_after_seconds")
    assert told == seconds


def test_given_a_server_with_tools_when_an_attempt_gets_its_servers_then_the_swarms_own_has_its_token() -> None:
    given = {"docs": {"type": "http", "url": "http://docs.example"}}
    got = servers_of_run(given, server_url="http://swarm.example/", path="/mcp", token="asw_attempt_1")
    assert got["docs"] == given["docs"]
    assert got[OWN] == {
        "type": "http",
        "url": "http://swarm.example/mcp",
        "headers": {"Authorization": "Bearer asw_attempt_1"},
    }


def test_given_a_server_without_tools_when_an_attempt_gets_its_servers_then_only_the_operators_are_there() -> None:
    given = {"docs": {"type": "http", "url": "http://docs.example"}}
    assert servers_of_run(given, server_url="http://swarm.example", path="", token="asw_attempt_1") == given


def test_given_a_server_of_the_operator_under_the_swarms_name_when_it_is_read_then_it_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {OWN: {"type": "http", "url": "http://x"}}}))
    with pytest.raises(SettingError, match="the name of the swarm's own"):
        read_servers(tmp_path / "mcp.json")
