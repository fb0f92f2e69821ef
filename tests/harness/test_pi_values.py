"""Harness `pi` without its CLI: what lines mean, who says what when, what it is started with."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.json_values import JSON

from agent_swarm.harness.base import Bounds, EventKind, PermissionMode, Permissions, Turn
from agent_swarm.harness.kept.heard import NOTHING, Heard
from agent_swarm.harness.kept.spoken import Line
from agent_swarm.harness.pi import launch
from agent_swarm.harness.pi.dialogue import PiDialogue

TYPES = st.sampled_from(
    [
        *("response", "extension_ui_request", "agent_start", "message_start", "message_end", "tool_execution_start"),
        *("tool_execution_end", "auto_retry_start", "compaction_end"),
    ]
)
FIELDS = st.sampled_from(
    ["id", "message", "method", "toolCallId", "toolName", "args", "result", "isError", "data", "command", "error"]
)
STATE = {"sessionId": "s", "model": {"provider": "openai", "id": "gpt-5.5"}, "thinkingLevel": "low"}


def said(text: str = "", *, reason: str = "stop", call: bool = False, **more: Any) -> dict[str, Any]:
    """An answer of the model."""
    content = [
        *([{"type": "text", "text": text}] if text else []),
        *([{"type": "toolCall", "id": "c"}] if call else []),
    ]
    return {"role": "assistant", "model": "gpt-5.5", "content": content, "stopReason": reason, **more}


def used(fed: int, put: int, cost: float) -> dict[str, Any]:
    return {"input": fed, "cacheRead": 0, "cacheWrite": 0, "output": put, "cost": {"total": cost}}


class Talk:
    """A dialogue, and what was written in it."""

    def __init__(self, *, turns: int | None = None, cost_usd: float | None = None) -> None:
        self.dialogue = PiDialogue(bounds=Bounds(turns=turns, cost_usd=cost_usd), does_retry=False)

    def hear(self, **body: Any) -> Heard:
        return self.dialogue.feed(json.dumps(body).encode())

    def respond(self, ident: str, command: str = "prompt", **more: Any) -> Heard:
        return self.hear(type="response", id=ident, command=command, **{"success": True, **more})

    def open(self) -> "Talk":
        """With its conversation begun."""
        self.respond("state", "get_state", data=STATE)
        self.dialogue.written()
        return self

    def begin(self, text: str = "one") -> "Talk":
        """With message `1` told and come to."""
        self.open()
        self.dialogue.post("1", text)
        self.respond("1")
        self.hear(type="agent_start")
        self.come_to(text)
        self.dialogue.written()
        return self

    def come_to(self, text: str) -> Heard:
        return self.hear(type="message_start", message={"role": "user", "content": [{"type": "text", "text": text}]})

    def answer(self, text: str = "", **more: Any) -> Heard:
        return self.hear(type="message_end", message=said(text, **more))

    def settle(self, **more: Any) -> Heard:
        return self.hear(type="agent_settled", **more)

    def written(self) -> list[Line]:
        return self.dialogue.written()

    def kinds(self) -> list[Any]:
        return [line["type"] for line in self.written()]


class TestEvents:
    def test_given_recorded_lines_of_a_run_when_they_are_read_then_each_is_an_event_with_what_it_tells(self) -> None:
        talk = Talk()
        opened = talk.respond("state", "get_state", data=STATE).events
        assert opened[0].data == {"session": "s"}
        assert opened[1].data["text"] == "model openai/gpt-5.5, low"
        called = talk.hear(type="tool_execution_start", toolCallId="c", toolName="bash", args={"command": "ls"}).events
        assert [(one.kind, one.data) for one in called] == [
            (EventKind.TOOL_CALL, {"id": "c", "name": "bash", "input": {"command": "ls"}})
        ]
        result = {"content": [{"type": "text", "text": "a"}], "details": {"patch": "+a"}}
        ended = talk.hear(type="tool_execution_end", toolCallId="c", result=result, isError=True).events
        assert [(one.kind, one.data) for one in ended] == [
            (EventKind.TOOL_RESULT, {"id": "c", "ok": False, "output": "a", "diff": "+a"})
        ]
        retried = talk.hear(type="auto_retry_start", attempt=1, maxAttempts=3, errorMessage="529").events
        assert [one.data["text"] for one in retried] == ["retry 1/3: 529"]

    def test_given_answers_when_they_are_read_then_each_tells_what_it_alone_has_used_caches_among_it(self) -> None:
        talk = Talk().begin()
        first = {"input": 10, "cacheRead": 200, "cacheWrite": 3, "output": 5, "cost": {"total": 0.25}}
        told = talk.answer("one", usage=first, call=True).events
        assert [(one.kind, one.data) for one in told] == [
            (EventKind.TEXT, {"text": "one"}),
            (EventKind.USAGE, {"model": "gpt-5.5", "inputTokens": 213, "outputTokens": 5, "costUsd": 0.25}),
        ]
        again = talk.answer("two", usage=used(7, 2, 0.5)).events[-1].data
        assert (again["inputTokens"], again["outputTokens"], again["costUsd"]) == (7, 2, 0.5)
        assert [one.kind for one in talk.answer("nothing used").events] == [EventKind.TEXT]

    def test_given_events_before_the_conversation_is_opened_when_it_is_then_they_come_after_its_start(self) -> None:
        talk = Talk()
        assert talk.hear(type="extension_ui_request", method="notify", message="early").events == ()
        opened = talk.respond("state", "get_state", data=STATE).events
        assert opened[0].kind is EventKind.STARTED
        assert opened[-1].data["text"] == "early"

    def test_given_a_server_that_refuses_its_token_when_pi_tells_of_it_then_it_is_named(self) -> None:
        talk = Talk().open()
        words = "MCP servers need attention\n  swarm: HTTP 401\n  other: refused\nsee the manual"
        assert talk.hear(type="extension_ui_request", method="notify", message=words).refused_servers == (
            "swarm",
            "other",
        )
        assert talk.hear(type="extension_ui_request", method="notify", message="hello\n swarm: x").refused_servers == ()

    @pytest.mark.parametrize("method", ["select", "confirm", "input", "editor"])
    def test_given_a_question_of_pi_when_it_comes_then_it_is_told_that_nobody_answers(self, method: str) -> None:
        talk = Talk().open()
        assert talk.hear(type="extension_ui_request", id="q", method=method) is NOTHING
        assert talk.written() == [{"type": "extension_ui_response", "id": "q", "cancelled": True}]

    @given(st.binary(max_size=200))
    def test_given_any_bytes_when_they_are_read_then_they_are_no_end_of_a_run(self, data: bytes) -> None:
        assert all(Talk().open().dialogue.feed(line).outcome is None for line in data.split(b"\n"))

    @given(TYPES, st.dictionaries(FIELDS, JSON, max_size=6))
    def test_given_any_fields_of_a_known_event_when_they_are_read_then_events_are_json(
        self, kind: str, fields: dict[str, Any]
    ) -> None:
        for event in Talk().begin().hear(**{**fields, "type": kind}).events:
            json.dumps(event.data)


class TestOutcomes:
    @pytest.mark.parametrize(
        ("message", "failure", "code"),
        [
            ("OpenAI API error (401): bad key", "infrastructure", "authentication"),
            ("403 Forbidden", "infrastructure", "authentication"),
            ("OpenAI API error (429): slow down", "infrastructure", "rateLimit"),
            ("529 overloaded", "infrastructure", "overloaded"),
            ("status code: 404, no such model", "policy", "unknownModel"),
            ("OpenAI API error (422): no", "agent", "modelRefused"),
            ("OpenAI API error (500): oh", "infrastructure", "modelError"),
            ("Connection error.", "infrastructure", "modelError"),
            ("it took 429 tries", "infrastructure", "modelError"),
            ("", "infrastructure", "modelError"),
        ],
    )
    def test_given_a_model_that_failed_when_the_run_settles_then_its_kind_is_known_and_no_reset_is_made_up(
        self, message: str, failure: str, code: str
    ) -> None:
        talk = Talk().begin()
        talk.answer(reason="error", errorMessage=message)
        outcome = talk.settle().outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure, outcome.failure_code, outcome.retry_at) == (False, failure, code, None)
        assert ("OPENAI_API_KEY" in outcome.message) == (code == "authentication")

    @pytest.mark.parametrize(
        ("reason", "code"), [("length", "outputLimit"), ("aborted", "interrupted"), ("of tomorrow", "modelError")]
    )
    def test_given_an_answer_that_is_no_end_when_the_run_settles_then_it_is_not_good(
        self, reason: str, code: str
    ) -> None:
        talk = Talk().begin()
        talk.answer("half", reason=reason)
        outcome = talk.settle().outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure_code) == (False, code)

    def test_given_a_run_without_an_answer_when_it_settles_then_it_is_not_good_though_the_last_one_was(self) -> None:
        talk = Talk().begin()
        talk.answer("fine")
        good = talk.settle().outcome
        assert good is not None and (good.ok, good.result) == (True, "fine")
        talk.hear(type="agent_start")
        bad = talk.settle().outcome
        assert bad is not None and not bad.ok

    @pytest.mark.parametrize(
        ("error", "code"), [("No API key found for openai\nuse /login", "authentication"), ("bad", "modelRefused")]
    )
    def test_given_a_prompt_that_pi_does_not_take_when_it_says_so_then_the_run_has_failed(
        self, error: str, code: str
    ) -> None:
        talk = Talk().open()
        talk.dialogue.post("1", "one")
        outcome = talk.respond("1", success=False, error=error).outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure_code) == (False, code)
        assert not talk.dialogue.goes_on


class TestMessages:
    def test_given_messages_when_pi_comes_to_them_then_each_is_told_as_delivered_and_begun_in_order(self) -> None:
        talk = Talk().begin()
        talk.dialogue.post("2", "/two")
        (line,) = talk.written()
        assert (line["message"], line["streamingBehavior"]) == ("\n/two", "steer"), "no command of pi"
        assert talk.respond("2").delivered == ("2",)
        talk.dialogue.post("3", "three")
        assert talk.come_to("in other words").begun == "2"
        assert talk.come_to("three").begun == "3"
        talk.answer("fine")
        talk.settle()
        assert not talk.dialogue.goes_on

    def test_given_a_message_that_interrupts_when_the_run_has_settled_then_it_begins_the_next_one(self) -> None:
        talk = Talk().begin()
        talk.dialogue.post("2", "two", interrupt=True)
        talk.dialogue.post("3", "three")
        assert talk.kinds() == ["abort"]
        outcome = talk.settle(aborted=True).outcome
        assert outcome is not None and outcome.failure_code == "interrupted"
        assert [(line["id"], line["type"]) for line in talk.written()] == [("2", "prompt"), ("3", "prompt")]

    def test_given_a_run_that_failed_when_it_settles_then_what_pi_never_came_to_is_lost_and_nothing_goes_on(
        self,
    ) -> None:
        talk = Talk().begin()
        talk.dialogue.post("2", "two")
        talk.answer(reason="error", errorMessage="500 oh")
        assert talk.settle().lost == ("2",)
        assert not talk.dialogue.goes_on

    def test_given_an_agent_that_is_to_stop_when_it_runs_then_its_queue_is_emptied_and_the_run_ended(self) -> None:
        talk = Talk().begin()
        talk.dialogue.halt()
        assert talk.kinds() == ["clear_queue", "abort"]


class TestBounds:
    @pytest.mark.parametrize(
        ("bounds", "failure", "code"),
        [({"turns": 1}, "agent", "maxTurns"), ({"cost_usd": 0.5}, "policy", "budget")],
    )
    def test_given_a_bound_when_it_is_reached_then_only_a_run_that_goes_on_is_ended(
        self, bounds: dict[str, Any], failure: str, code: str
    ) -> None:
        last = Talk(**bounds).begin()
        last.answer("fine", usage=used(1, 1, 0.5))
        assert last.written() == [], "an answer without a call is the last one"
        good = last.settle().outcome
        assert good is not None and good.ok
        talk = Talk(**bounds).begin()
        talk.answer(call=True, usage=used(1, 1, 0.5))
        assert talk.kinds() == ["clear_queue", "abort"]
        outcome = talk.settle(aborted=True).outcome
        assert outcome is not None
        assert (outcome.failure, outcome.failure_code) == (failure, code)


class TestLaunch:
    def turn(self, tmp_path: Path, **changes: Any) -> Turn:
        given: dict[str, Any] = {
            "task_id": "0198b2a4-0000-7000-8000-000000000001",
            "attempt": 1,
            "prompt": "a prompt",
            "workspace": tmp_path / "workspace",
            "state_dir": tmp_path / "state",
            "env": {"OPENAI_API_KEY": "sk-1"},
        }
        return Turn(**{**given, **changes})

    def arguments(self, turn: Turn) -> tuple[str, ...]:
        return launch.arguments(("pi",), turn, launch.home_of(turn), session="s", resume=False)

    def test_given_a_turn_when_the_command_line_is_made_then_it_holds_its_model_and_no_secret_or_word(
        self, tmp_path: Path
    ) -> None:
        servers = {"swarm": {"url": "http://x", "headers": {"Authorization": "Bearer t-1"}}}
        turn = self.turn(tmp_path, system_prompt="be kind", mcp_servers=servers, model="openai/gpt-5.5:high")
        words = self.arguments(turn)
        assert words[words.index("--model") + 1] == "openai/gpt-5.5:high", "pi tells the effort apart"
        for word in ("a prompt", "be kind", "sk-1", "http://x", "t-1"):
            assert word not in " ".join(words)

    @pytest.mark.parametrize(
        ("mode", "by_sandbox", "can_write", "can_run"),
        [
            (PermissionMode.ALL, False, True, True),
            (PermissionMode.EDITS, False, True, False),
            (PermissionMode.EDITS, True, True, True),
            (PermissionMode.ALLOWED, False, False, False),
            (PermissionMode.PLAN, False, False, False),
        ],
    )
    def test_given_a_permission_mode_when_pi_is_started_then_it_has_no_tool_beyond_it(
        self, tmp_path: Path, mode: PermissionMode, by_sandbox: bool, can_write: bool, can_run: bool
    ) -> None:
        words = self.arguments(self.turn(tmp_path, permissions=Permissions(mode=mode, by_sandbox=by_sandbox)))
        tools = words[words.index("--tools") + 1].split(",") if "--tools" in words else ["write", "bash"]
        assert ("write" in tools, "bash" in tools) == (can_write, can_run)

    def test_given_credentials_of_claude_when_pi_is_started_then_it_holds_none_of_them(self, tmp_path: Path) -> None:
        claudes = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN")
        turn = self.turn(tmp_path, env={"OPENAI_API_KEY": "1", **dict.fromkeys(claudes, "secret")})
        home = launch.home_of(turn)
        env = launch.environment(turn, home)
        assert env["OPENAI_API_KEY"] == "1" and "secret" not in env.values()
        assert env["PI_CODING_AGENT_DIR"] == str(home.config)
        assert "secret" not in launch.extension(turn)

    @pytest.mark.parametrize(
        ("environ", "held"),
        [
            ({"OPENAI_API_KEY": "1", "ANTHROPIC_API_KEY": "2"}, ("ANTHROPIC_API_KEY",)),
            ({"GEMINI_API_KEY": "1", "CLAUDE_CODE_OAUTH_TOKEN": "2"}, ("CLAUDE_CODE_OAUTH_TOKEN",)),
            ({"OPENAI_API_KEY": "1", "ANTHROPIC_API_KEY": " "}, ()),
            ({"OPENAI_API_KEY": " ", "ANTHROPIC_API_KEY": "2"}, ()),
            ({"OPENAI_API_KEY": "1"}, ()),
        ],
    )
    def test_given_keys_of_pi_and_of_claude_when_both_are_set_then_those_that_are_held_back_are_named(
        self, environ: dict[str, str], held: tuple[str, ...]
    ) -> None:
        assert launch.held_back(environ) == held
