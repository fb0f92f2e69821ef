"""Harness `codex` without its CLI: what lines mean, who says what when, what is asked of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.json_values import JSON

from agent_swarm.harness import registry
from agent_swarm.harness.base import EventKind, PermissionMode, Permissions, Turn
from agent_swarm.harness.codex import CodexHarness, launch
from agent_swarm.harness.codex.dialogue import Dialogue
from agent_swarm.harness.codex.host import native
from agent_swarm.harness.codex.items import diff_of
from agent_swarm.harness.codex.outcomes import outcome_of
from agent_swarm.harness.codex.reading import Reading
from agent_swarm.harness.codex.usage import Meter
from agent_swarm.harness.kept.effort import model_and_effort
from agent_swarm.harness.kept.heard import NOTHING, Heard
from agent_swarm.harness.kept.home import Home

METHODS = st.sampled_from(
    [
        *("thread/tokenUsage/updated", "account/rateLimits/updated", "mcpServer/startupStatus/updated", "error"),
        *("warning", "turn/started", "turn/completed", "item/started", "item/completed"),
        *("item/commandExecution/requestApproval", "item/tool/call"),
    ]
)
FIELDS = st.sampled_from(
    ["item", "turn", "tokenUsage", "rateLimits", "name", "status", "error", "willRetry", "message"]
)
ITEMS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["commandExecution", "fileChange", "mcpToolCall", "agentMessage", "userMessage", "other"]
        )
    },
    optional={
        **dict.fromkeys(("id", "changes", "result", "error", "status", "exitCode", "text", "clientId"), JSON),
        "arguments": JSON,
    },
)


def a_turn(tmp_path: Path, **changes: Any) -> Turn:
    given: dict[str, Any] = {
        "task_id": "0198b2a4-0000-7000-8000-000000000001",
        "attempt": 1,
        "prompt": "a prompt",
        "workspace": tmp_path / "workspace",
        "state_dir": tmp_path / "state",
        "env": {"OPENAI_API_KEY": "sk-1"},
    }
    return Turn(**{**given, **changes})


class Talk:
    """A dialogue, and what was written in it."""

    def __init__(self, *, session: str | None = None, calls: int | None = None) -> None:
        config: dict[str, Any] = {"mcp_servers": {"swarm": {}, "other": {}}}
        self.dialogue = Dialogue(Reading(Meter()), {"config": config}, session=session, calls=calls)

    def written(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Methods and parameters of the requests since the last time."""
        return [(line["method"], line.get("params", {})) for line in self.dialogue.written() if "method" in line]

    def hear(self, **body: Any) -> Heard:
        return self.dialogue.feed(json.dumps(body).encode())

    def told(self, method: str, **params: Any) -> Heard:
        return self.hear(method=method, params={"threadId": "t", **params})

    def answer(self, number: int, **result: Any) -> Heard:
        return self.hear(id=number, result=result)

    def refuse(self, number: int, message: str) -> Heard:
        return self.hear(id=number, error={"code": -32600, "message": message})

    def open(self) -> "Talk":
        """With its thread begun; the next request has number 3."""
        self.answer(1)
        self.answer(2, thread={"id": "t", "cliVersion": "1"}, model="m", sandbox={"type": "readOnly"})
        self.written()
        return self

    def texts(self) -> list[tuple[str, list[str]]]:
        """What was said to the agent, by method."""
        return [
            (method, [part["text"] for part in params["input"]])
            for method, params in self.written()
            if method in ("turn/start", "turn/steer")
        ]

    def come_to(self, message_id: str) -> Heard:
        return self.told("item/started", item={"type": "userMessage", "id": "x", "clientId": message_id})

    def end(self, status: str = "completed", **more: Any) -> Heard:
        return self.told("turn/completed", turn={"id": "u", "status": status, **more})


class TestDialogue:
    def test_given_a_new_conversation_when_it_is_opened_then_what_waited_begins_a_turn_in_one_piece(self) -> None:
        talk = Talk()
        assert [method for method, _ in talk.written()] == ["initialize", "initialized", "thread/start"]
        talk.dialogue.post("1", "one")
        talk.dialogue.post("2", "two")
        assert talk.written() == []
        talk.answer(1)
        heard = talk.answer(2, thread={"id": "t"}, model="m")
        assert heard.events[0].data == {"session": "t"}
        assert talk.texts() == [("turn/start", ["one", "two"])]
        assert talk.answer(3, turn={"id": "u"}).delivered == ("1", "2")
        assert talk.dialogue.has_unread
        talk.come_to("2")
        assert not talk.dialogue.has_unread

    def test_given_a_turn_when_a_message_comes_then_it_is_steered_and_counts_as_unread_until_the_agent_comes_to_it(
        self,
    ) -> None:
        talk = Talk().open()
        talk.dialogue.post("1", "one")
        talk.answer(3, turn={"id": "u"})
        talk.come_to("1")
        talk.written()
        talk.dialogue.post("2", "two")
        assert talk.texts() == [("turn/steer", ["two"])]
        assert talk.answer(4).delivered == ("2",)
        assert talk.dialogue.has_unread
        assert talk.end().outcome is not None
        assert talk.texts() == [("turn/start", ["two"])], "a turn that ended without coming to it"
        talk.answer(5, turn={"id": "v"})
        talk.come_to("2")
        assert (talk.dialogue.has_unread, talk.dialogue.goes_on) == (False, True)
        talk.end()
        assert not talk.dialogue.goes_on

    @pytest.mark.parametrize("is_refused_first", [True, False])
    def test_given_a_turn_that_ends_when_messages_are_on_their_way_then_each_begins_the_next_one_once_in_order(
        self, is_refused_first: bool
    ) -> None:
        talk = Talk().open()
        talk.dialogue.post("1", "one")
        talk.answer(3, turn={"id": "u"})
        talk.come_to("1")
        talk.dialogue.post("2", "two")
        talk.dialogue.post("3", "three")
        talk.written()
        if is_refused_first:
            talk.refuse(4, "no active turn to steer")
            talk.refuse(5, "no active turn to steer")
            talk.end()
        else:
            talk.end()
            talk.refuse(4, "no active turn to steer")
            talk.refuse(5, "no active turn to steer")
        assert talk.texts() == [("turn/start", ["two", "three"])]

    def test_given_a_message_that_interrupts_when_the_turn_has_ended_then_it_begins_the_next_one_and_tools_are_ended(
        self,
    ) -> None:
        talk = Talk().open()
        talk.dialogue.post("1", "one")
        talk.answer(3, turn={"id": "u"})
        talk.come_to("1")
        talk.written()
        talk.dialogue.post("2", "two", interrupt=True)
        assert talk.written() == [("turn/interrupt", {"threadId": "t", "turnId": "u"})]
        talk.end("interrupted")
        assert [method for method, _ in talk.written()] == ["thread/backgroundTerminals/clean", "turn/start"]

    def test_given_an_agent_that_is_to_stop_when_its_turn_is_only_beginning_then_that_is_ended_and_no_other_begins(
        self,
    ) -> None:
        talk = Talk().open()
        talk.dialogue.post("1", "one")
        talk.dialogue.post("2", "two")
        talk.dialogue.halt()
        assert [method for method, _ in talk.written()] == ["turn/start"]
        talk.answer(3, turn={"id": "u"})
        assert [method for method, _ in talk.written()] == ["turn/interrupt"]
        assert talk.end("interrupted").outcome is not None
        assert talk.texts() == []
        assert talk.dialogue.has_unread

    def test_given_a_turn_that_failed_when_it_ends_then_nothing_is_left_that_would_begin_another_one(self) -> None:
        talk = Talk().open()
        talk.dialogue.post("1", "one")
        talk.answer(3, turn={"id": "u"})
        outcome = talk.end("failed", error={"message": "x", "codexErrorInfo": "unauthorized"}).outcome
        assert outcome is not None
        assert outcome.failure_code == "authentication"
        assert not talk.dialogue.has_unread

    def test_given_a_bound_of_calls_when_it_is_reached_in_a_turn_then_only_one_that_goes_on_is_ended(self) -> None:
        talk = Talk(calls=1).open()
        talk.dialogue.post("1", "one")
        talk.answer(3, turn={"id": "u"})
        talk.come_to("1")
        talk.written()
        used = {"total": {"inputTokens": 10, "outputTokens": 5}}
        talk.told("thread/tokenUsage/updated", tokenUsage=used)
        assert talk.written() == [], "an answer without a call is the last one"
        talk.told("item/started", item={"type": "commandExecution", "id": "c"})
        talk.told("thread/tokenUsage/updated", tokenUsage={"total": {"inputTokens": 20, "outputTokens": 10}})
        assert [method for method, _ in talk.written()] == ["turn/interrupt"]
        outcome = talk.end("interrupted").outcome
        assert outcome is not None
        assert (outcome.failure, outcome.failure_code) == ("agent", "maxTurns")

    def test_given_servers_that_are_required_when_one_refuses_then_it_is_named_and_the_other_is_not(self) -> None:
        talk = Talk()
        talk.answer(1)
        said = "error creating thread: required MCP servers failed to initialize: swarm: handshaking failed"
        assert talk.refuse(2, said).refused_servers == ("swarm",)
        assert talk.told("mcpServer/startupStatus/updated", name="other", status="failed").refused_servers == ("other",)

    def test_given_a_conversation_that_is_not_there_when_it_is_to_go_on_then_that_is_known(self) -> None:
        talk = Talk(session="gone")
        assert [method for method, _ in talk.written()][-1] == "thread/resume"
        assert talk.refuse(2, "no rollout found for thread id gone").is_unknown

    @pytest.mark.parametrize("number", [1, 2])
    def test_given_a_cli_that_opens_no_conversation_when_it_says_so_then_the_run_has_failed_and_nothing_waits(
        self, number: int
    ) -> None:
        talk = Talk()
        talk.dialogue.post("1", "one")
        heard = talk.refuse(number, "a bad configuration")
        assert heard.outcome is not None
        assert (heard.outcome.failure, heard.outcome.failure_code) == ("infrastructure", "cannotBegin")
        assert "a bad configuration" in heard.outcome.message
        assert not heard.is_unknown
        assert not talk.dialogue.goes_on

    def test_given_a_question_of_the_cli_when_it_comes_then_the_answer_is_no(self) -> None:
        talk = Talk().open()
        heard = talk.hear(id=9, method="item/commandExecution/requestApproval", params={"itemId": "c", "command": "ls"})
        assert heard.events[0].kind is EventKind.DENIED
        talk.hear(id=10, method="item/tool/call", params={})
        allowed, unknown = talk.dialogue.written()
        assert allowed == {"id": 9, "result": {"decision": "decline"}}
        assert unknown["error"]["code"] == -32601

    def test_given_a_command_that_prints_when_nothing_else_is_told_then_that_is_a_sign_of_life(self) -> None:
        talk = Talk().open()
        assert talk.told("item/commandExecution/outputDelta", delta="x") is not NOTHING
        assert talk.dialogue.feed(b"") is NOTHING

    @given(st.binary(max_size=200))
    def test_given_any_bytes_when_they_are_read_then_they_are_no_end_of_a_turn(self, data: bytes) -> None:
        assert all(Talk().open().dialogue.feed(line).outcome is None for line in data.split(b"\n"))

    @given(METHODS, st.dictionaries(FIELDS, JSON | ITEMS, max_size=5), st.none() | st.integers())
    def test_given_any_params_of_a_known_method_when_they_are_read_then_events_are_json(
        self, method: str, params: dict[str, Any], number: int | None
    ) -> None:
        body = {"method": method, "params": {**params, "threadId": "t"}}
        heard = Talk().open().hear(**body, **({} if number is None else {"id": number}))
        for event in heard.events:
            json.dumps(event.data)


class TestOutcomes:
    @pytest.mark.parametrize(
        ("error", "failure", "code"),
        [
            ({"codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": 403}}}, "infrastructure", "authentication"),
            ({"codexErrorInfo": {"other": {"httpStatusCode": 429}}}, "infrastructure", "rateLimit"),
            ({"codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": 503}}}, "infrastructure", "modelError"),
            ({"codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": None}}}, "infrastructure", "modelError"),
            ({"codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": 422}}}, "agent", "modelRefused"),
            ({"codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": 404}}}, "policy", "unknownModel"),
            ({"codexErrorInfo": "contextWindowExceeded"}, "agent", "modelRefused"),
            ({"codexErrorInfo": "usageLimitExceeded"}, "infrastructure", "rateLimit"),
            ({"codexErrorInfo": "other", "message": '{"error": {"message": "no"}}'}, "agent", "modelRefused"),
            ({"codexErrorInfo": "of tomorrow", "message": "{"}, "infrastructure", "modelError"),
            ({"message": "Missing environment variable: `OPENAI_API_KEY`."}, "infrastructure", "authentication"),
            (None, "infrastructure", "modelError"),
        ],
    )
    def test_given_a_turn_that_failed_when_it_is_judged_then_its_kind_is_known(
        self, error: Any, failure: str, code: str
    ) -> None:
        outcome = outcome_of({"status": "failed", "error": error}, said="", resets_at=7.0)
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, failure, code)
        assert outcome.retry_at == (7.0 if code == "rateLimit" else None)

    def test_given_a_status_of_tomorrow_when_it_is_judged_then_it_is_not_good(self) -> None:
        assert outcome_of({"status": "completed"}, said="fine").ok
        assert not outcome_of({"status": "abandoned"}, said="fine").ok
        assert not outcome_of({}, said="fine").ok

    def test_given_windows_of_a_limit_when_one_is_used_up_then_its_end_counts_and_the_others_do_not(self) -> None:
        talk = Talk().open()
        windows = {"primary": {"usedPercent": 100, "resetsAt": 50}, "secondary": {"usedPercent": 99, "resetsAt": 90}}
        talk.told("account/rateLimits/updated", rateLimits=windows)
        talk.told("account/rateLimits/updated", rateLimits={"primary": None, "secondary": None})
        outcome = talk.end("failed", error={"codexErrorInfo": "usageLimitExceeded"}).outcome
        assert outcome is not None
        assert outcome.retry_at == 50


class TestUsage:
    @given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=10))
    def test_given_totals_that_grow_when_the_meter_is_kept_in_between_then_all_that_was_told_adds_up_to_them(
        self, steps: list[tuple[str, int, int]]
    ) -> None:
        meter, told, totals = Meter(), [0, 0], {"a": [0, 0], "b": [0, 0]}
        for thread, fed, said in steps:
            totals[thread][0] += fed
            totals[thread][1] += said
            meter = Meter.from_json(json.loads(json.dumps(meter.to_json())))
            total = dict(zip(("inputTokens", "outputTokens"), totals[thread], strict=True))
            for _ in range(2):  # told again when the conversation is resumed
                for event in meter.settle(thread, total, model="m"):
                    told[0] += event.data["inputTokens"]
                    told[1] += event.data["outputTokens"]
        assert told == [totals["a"][0] + totals["b"][0], totals["a"][1] + totals["b"][1]]


class TestLaunch:
    def test_given_a_turn_when_the_command_line_is_made_then_it_holds_nothing_of_it_but_its_workspace(
        self, tmp_path: Path
    ) -> None:
        turn = a_turn(tmp_path, system_prompt="be kind", mcp_servers={"swarm": {"url": "http://x", "headers": {}}})
        words = " ".join(launch.arguments("codex", turn))
        assert f'projects={{"{turn.workspace}"={{trust_level="untrusted"}}}}' in words
        for word in ("a prompt", "be kind", "sk-1", "http://x"):
            assert word not in words

    @pytest.mark.parametrize(
        ("mode", "by_sandbox", "sandbox"),
        [
            (PermissionMode.ALL, False, "danger-full-access"),
            (PermissionMode.EDITS, False, "workspace-write"),
            (PermissionMode.EDITS, True, "danger-full-access"),
            (PermissionMode.ALLOWED, False, "read-only"),
            (PermissionMode.PLAN, False, "read-only"),
        ],
    )
    def test_given_a_permission_mode_when_a_thread_is_opened_then_its_sandbox_is_no_wider(
        self, tmp_path: Path, mode: PermissionMode, by_sandbox: bool, sandbox: str
    ) -> None:
        thread = launch.thread_of(a_turn(tmp_path, permissions=Permissions(mode=mode, by_sandbox=by_sandbox)))
        assert (thread["sandbox"], thread["approvalPolicy"]) == (sandbox, "never")

    def test_given_tools_of_the_web_that_are_denied_when_a_thread_is_opened_then_the_search_is_off(
        self, tmp_path: Path
    ) -> None:
        denied = Permissions(denied_tools=("WebSearch",))
        assert launch.thread_of(a_turn(tmp_path, permissions=denied))["config"]["web_search"] == "disabled"
        assert "web_search" not in launch.thread_of(a_turn(tmp_path))["config"]

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            (None, ("", "")),
            ("gpt-5.5", ("gpt-5.5", "")),
            ("gpt-5.5:high", ("gpt-5.5", "high")),
            ("llama:70b", ("llama:70b", "")),
            (":high", (":high", "")),
        ],
    )
    def test_given_a_model_when_it_names_an_effort_then_that_is_told_apart(
        self, asked: str | None, found: tuple[str, str]
    ) -> None:
        assert model_and_effort(asked, launch.EFFORTS) == found

    def test_given_both_keys_when_one_is_chosen_then_it_is_the_clis_own_and_neither_gets_to_commands(
        self, tmp_path: Path
    ) -> None:
        assert launch.key_of({"OPENAI_API_KEY": "1", "CODEX_API_KEY": "2"}) == "CODEX_API_KEY"
        assert launch.key_of({"OPENAI_API_KEY": "1", "CODEX_API_KEY": " "}) == "OPENAI_API_KEY"
        policy = launch.thread_of(a_turn(tmp_path))["config"]["shell_environment_policy"]
        assert set(policy["exclude"]) == {
            *("OPENAI_API_KEY", "CODEX_API_KEY"),
            *("CODEX_OAUTH", "CODEX_OAUTH_TOKEN", "CODEX_OAUTH_ACCOUNT"),
        }

    def test_given_servers_of_both_kinds_when_codex_is_told_then_each_is_required(self) -> None:
        web = launch.server_of({"type": "http", "url": "http://x/mcp", "headers": {"A": "b"}})
        local = launch.server_of({"command": "serve", "args": ["x"], "env": {"K": "v"}, "type": "stdio"})
        assert (web["url"], web["http_headers"], web["required"]) == ("http://x/mcp", {"A": "b"}, True)
        assert (local["command"], local["args"], local["env"], local["required"]) == ("serve", ["x"], {"K": "v"}, True)

    def test_given_a_turn_when_its_environment_is_made_then_the_cli_has_a_home_that_is_the_runs(
        self, tmp_path: Path
    ) -> None:
        turn = a_turn(tmp_path, env={"CODEX_HOME": "/elsewhere/.codex", "A": "b"})
        env = launch.environment(turn, Home.of(turn, "codex"))
        assert env == {"CODEX_HOME": str(turn.agent_dir / "codex"), "A": "b"}


@pytest.mark.parametrize("below", ["@openai", "@openai/codex/node_modules/@openai"])
def test_given_a_wrapper_of_npm_when_the_native_program_is_looked_for_then_it_is_found_where_npm_put_it(
    tmp_path: Path, below: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    wrapper = tmp_path / "@openai" / "codex" / "bin" / "codex.js"
    wrapper.parent.mkdir(parents=True)
    wrapper.touch()
    (tmp_path / "codex").symlink_to(wrapper)
    assert native(str(tmp_path / "codex")) == tmp_path / "codex", "another way to install it"
    program = tmp_path / below / "codex-linux-arm64" / "vendor" / "aarch64-unknown-linux-musl" / "bin" / "codex"
    program.parent.mkdir(parents=True)
    program.touch()
    assert native(str(tmp_path / "codex")) == program


@pytest.mark.parametrize(
    ("change", "diff"),
    [
        ({"path": "a", "kind": {"type": "add"}, "diff": "x\n"}, "--- /dev/null\n+++ a\n@@ -0,0 +1,1 @@\n+x"),
        ({"path": "a", "kind": {"type": "delete"}, "diff": "x\n"}, "--- a\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x"),
        (
            {"path": "a", "kind": {"type": "update", "move_path": None}, "diff": "@@ -1 +1 @@\n-x\n+y\n"},
            "--- a\n+++ a\n@@ -1 +1 @@\n-x\n+y",
        ),
    ],
)
def test_given_a_change_of_a_file_when_it_is_shown_then_it_is_a_unified_diff(change: Any, diff: str) -> None:
    assert diff_of(change) == diff


def test_given_a_program_that_cannot_be_run_when_the_harness_is_asked_then_it_is_not_offered_and_says_why(
    tmp_path: Path,
) -> None:
    program = tmp_path / "codex"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    reason = CodexHarness(str(program)).available()
    assert reason is not None
    assert "cannot be run" in reason
    assert "npm install" in reason


def test_given_no_program_when_the_harness_is_asked_then_it_is_not_offered_and_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert CodexHarness().available() == "Codex is not installed: npm install -g @openai/codex"
    assert "codex" not in registry.available()
