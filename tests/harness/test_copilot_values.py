"""Copilot CLI without its program: what its lines mean that others say in another way, and what it is given."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.harness.test_acp_values import Talk, a_turn

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import COPILOT
from agent_swarm.harness.base import EventKind, PermissionMode, Permissions
from agent_swarm.harness.kept.home import Home

RETRYING = "Info: Request failed due to a transient API error. Retrying..."


def copilot(**turn: Any) -> Talk:
    """In a turn that has begun."""
    return Talk(manner=COPILOT.manner, **turn).begin()


class TestEvents:
    def test_given_a_call_when_it_is_told_first_then_that_is_the_call_by_its_kind_and_what_it_gave_is_read(
        self,
    ) -> None:
        talk = copilot()
        begun = talk.update(
            "tool_call", toolCallId="c", title="In its words", kind="execute", rawInput={"command": "x"}
        )
        assert [(one.kind, one.data) for one in begun.events] == [
            (EventKind.TOOL_CALL, {"id": "c", "name": "execute", "input": {"command": "x"}})
        ]
        raw = {"content": "gone wrong", "contents": [{"type": "shell_exit", "exitCode": 3}]}
        (over,) = talk.update("tool_call_update", toolCallId="c", status="completed", rawOutput=raw).events
        assert (over.data["ok"], over.data["output"]) == (False, "gone wrong")

    def test_given_a_tool_of_a_server_when_it_is_called_then_its_name_is_told(self) -> None:
        (call,) = copilot().update("tool_call", toolCallId="c", title="swarm-echo", kind="other").events
        assert call.data["name"] == "swarm-echo"

    def test_given_a_call_that_a_rule_denies_when_it_is_over_then_that_is_told(self) -> None:
        talk = copilot()
        talk.update("tool_call", toolCallId="c", title="x", kind="execute", rawInput={"command": "x"})
        raw = {"message": "denied by a rule", "code": "denied"}
        denied, result = talk.update("tool_call_update", toolCallId="c", status="failed", rawOutput=raw).events
        assert (denied.kind, denied.data["input"]) == (EventKind.DENIED, {"command": "x"})
        assert (result.data["ok"], result.data["output"]) == (False, "denied by a rule")

    def test_given_totals_of_a_process_when_turns_end_then_each_tells_what_it_alone_has_used(self) -> None:
        talk = copilot()
        told = []
        for usage in ({"inputTokens": 10, "outputTokens": 5}, {}, {"inputTokens": 25, "outputTokens": 8}):
            talk.say("fine")
            heard = talk.end(usage=usage)
            told += [event.data for event in heard.events if event.kind is EventKind.USAGE]
            talk.dialogue.post("2", "two")
        assert [(one["inputTokens"], one["outputTokens"]) for one in told] == [(10, 5), (15, 3)]

    def test_given_what_it_says_of_itself_when_it_is_among_words_then_it_is_for_the_log_and_no_word(self) -> None:
        talk = copilot()
        talk.say("I lo")
        heard = talk.say(RETRYING)
        assert [(one.kind, one.data["text"]) for one in heard.events] == [
            (EventKind.TEXT, "I lo"),
            (EventKind.LOG, RETRYING),
        ]
        talk.say("Warning: it is deep.")
        outcome = talk.end().outcome
        assert outcome is not None and outcome.result == "Warning: it is deep."


class TestOutcomes:
    @pytest.mark.parametrize(
        ("words", "failure", "code"),
        [
            ("Authentication failed with provider at http://x/v1 (HTTP 403).", "infrastructure", "authentication"),
            ("Model 'm' not found on provider at http://x/v1 (HTTP 404).", "policy", "unknownModel"),
            ("Failed to get response; retried 5 times Last error: 429 no", "infrastructure", "rateLimit"),
            ("Failed to get response; retried 5 times Last error: 500 no API key", "infrastructure", "modelError"),
            ("529 no", "infrastructure", "overloaded"),
            ("400 no", "agent", "modelRefused"),
            ("Could not connect to local model provider at http://x/v1.", "infrastructure", "modelError"),
        ],
    )
    def test_given_a_model_that_failed_when_the_turn_ends_as_if_all_were_well_then_it_is_not_good(
        self, words: str, failure: str, code: str
    ) -> None:
        talk = copilot()
        talk.say("half")
        talk.say(f"Error: {words}")
        heard = talk.end()
        outcome = heard.outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure, outcome.failure_code, outcome.result) == (False, failure, code, "half")
        assert words in outcome.message
        assert [event.data["text"] for event in heard.events if event.kind is EventKind.TEXT] == ["half"]

    def test_given_an_error_that_is_not_the_last_word_when_the_turn_ends_then_it_is_one_of_the_models(self) -> None:
        talk = copilot()
        talk.say("Error: ")
        talk.say("I was wrong.")
        outcome = talk.end().outcome
        assert outcome is not None
        assert (outcome.ok, outcome.result) == (True, "Error: I was wrong.")

    def test_given_a_call_that_was_refused_when_its_turn_ends_then_it_is_not_good_and_the_next_one_may_be(self) -> None:
        talk = copilot(permissions=Permissions(mode=PermissionMode.PLAN))
        talk.say("I try")
        talk.ask(toolCallId="c", title="it", kind="fetch")
        talk.say("Info: Operation cancelled by user")
        outcome = talk.end().outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, "policy", "denied")
        talk.dialogue.post("2", "two")
        talk.say("fine")
        outcome = talk.end().outcome
        assert outcome is not None and outcome.ok


class TestWhatItIsGiven:
    @pytest.mark.parametrize(
        ("mode", "by_sandbox", "rules"),
        [
            (PermissionMode.ALL, False, ["--allow-all"]),
            (PermissionMode.PLAN, True, ["--allow-all"]),
            (PermissionMode.EDITS, False, ["--allow-tool=write", "--deny-tool=shell", "--deny-tool=url"]),
            (PermissionMode.ALLOWED, False, ["--deny-tool=write", "--deny-tool=shell", "--deny-tool=url"]),
            (PermissionMode.PLAN, False, ["--deny-tool=write", "--deny-tool=shell", "--deny-tool=url"]),
        ],
    )
    def test_given_a_permission_mode_when_it_is_started_then_rules_say_what_it_may_not(
        self, mode: PermissionMode, by_sandbox: bool, rules: list[str]
    ) -> None:
        turn = a_turn(permissions=Permissions(mode=mode, by_sandbox=by_sandbox), mcp_servers={"swarm": {}})
        given = [word for word in COPILOT.arguments(turn) if "allow" in word or "deny" in word]
        assert given == [*rules, *(["--allow-tool=swarm"] if rules != ["--allow-all"] else [])]

    @pytest.mark.parametrize(
        ("env", "offline"),
        [
            ({}, None),
            ({"COPILOT_PROVIDER_BASE_URL": "http://x/v1"}, "true"),
            ({"COPILOT_PROVIDER_BASE_URL": "http://x/v1", "COPILOT_OFFLINE": "false"}, "false"),
        ],
    )
    def test_given_a_model_of_ones_own_when_it_is_started_then_it_asks_nobody_else_unless_it_is_told_to(
        self, env: dict[str, str], offline: str | None, tmp_path: Path
    ) -> None:
        turn = a_turn(tmp_path, env=env)
        assert COPILOT.settings(turn, Home.of(turn, "copilot"), 4).get("COPILOT_OFFLINE") == offline

    def test_given_npms_script_when_a_program_is_looked_for_then_it_is_what_that_starts(self, tmp_path: Path) -> None:
        package = tmp_path / "lib" / "node_modules" / "@github" / "copilot"
        program = package / "node_modules" / "@github" / "copilot-linux-x64" / "copilot"
        program.parent.mkdir(parents=True)
        (package / "npm-loader.js").touch()
        (tmp_path / "copilot").symlink_to(package / "npm-loader.js")
        assert COPILOT.itself(str(tmp_path / "copilot")) == str(tmp_path / "copilot"), "there is no program"
        program.touch(mode=0o755)
        assert COPILOT.itself(str(tmp_path / "copilot")) == str(program)
        assert COPILOT.itself(str(program)) == str(program)

    def test_given_where_it_has_unpacked_itself_when_a_sandbox_is_made_then_that_can_be_read_in_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("COPILOT_PKG_CACHE_HOME", "COPILOT_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        turn = a_turn(tmp_path)
        told = COPILOT.settings(turn, Home.of(turn, "copilot"), 4)["COPILOT_PKG_CACHE_HOME"]
        assert told == str(tmp_path / "copilot")
        assert Path(told, "pkg") in AcpHarness(COPILOT, "/bin/true").grants.readable
        assert os.environ["XDG_CACHE_HOME"] not in json.dumps(COPILOT.arguments(turn))

    def test_given_its_variables_when_they_are_passed_on_then_all_that_open_something_are_secrets(self) -> None:
        grants = AcpHarness(COPILOT, "/bin/true").grants
        opening = {name for name in grants.variables if name.endswith(("TOKEN", "KEY", "HEADERS"))}
        assert set(grants.secrets) == opening
        assert "COPILOT_PROVIDER_API_KEY_COMMAND" not in grants.variables
