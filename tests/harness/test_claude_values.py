"""The pure parts of harness `claude`: what its lines mean, what they cost, how a turn ended, how it is started."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.harness.base import Bounds, EventKind, PermissionMode, Permissions, Turn
from agent_swarm.harness.claude import launch
from agent_swarm.harness.claude.diffs import unified
from agent_swarm.harness.claude.outcomes import outcome_of
from agent_swarm.harness.claude.stream import Reading
from agent_swarm.harness.claude.usage import Amount, Meter
from agent_swarm.harness.kept.heard import STRAY_LINES, Heard

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(
    [
        "system",
        "assistant",
        "user",
        "stream_event",
        "rate_limit_event",
        "command_lifecycle",
        "control_request",
        "result",
    ]
)
FIELDS = st.sampled_from(
    ["subtype", "message", "event", "content", "mcp_servers", "tool_use_result", "modelUsage", "usage", "isReplay"]
)


def line(**body: Any) -> bytes:
    return json.dumps(body).encode()


def heard(*lines: bytes) -> list[Heard]:
    reading = Reading(Meter())
    return [reading.feed(each) for each in lines]


class TestStream:
    @given(st.binary(max_size=200))
    def test_given_any_bytes_when_they_are_read_then_they_are_no_result(self, data: bytes) -> None:
        for each in data.split(b"\n"):
            (said,) = heard(each)
            assert said.outcome is None

    @given(TYPES, st.dictionaries(FIELDS, JSON, max_size=5))
    def test_given_any_body_of_a_known_type_when_it_is_read_then_its_events_are_json(
        self, kind: str, body: dict[str, Any]
    ) -> None:
        (said,) = heard(json.dumps({**body, "type": kind}).encode())
        for event in said.events:
            json.dumps(event.data)

    def test_given_a_turn_that_begins_again_when_it_is_read_then_it_started_only_once(self) -> None:
        init = line(type="system", subtype="init", session_id="s", claude_code_version="2.1.332", model="m")
        first, second = heard(init, init)
        assert [event.kind for event in first.events] == [EventKind.STARTED, EventKind.LOG]
        assert second.events == ()

    @pytest.mark.parametrize(
        ("status", "refused"), [("connected", ()), ("pending", ()), ("failed", ("swarm",)), ("needs-auth", ("swarm",))]
    )
    def test_given_an_mcp_server_when_its_status_is_read_then_only_a_refusal_counts(
        self, status: str, refused: tuple[str, ...]
    ) -> None:
        (said,) = heard(line(type="system", subtype="init", mcp_servers=[{"name": "swarm", "status": status}]))
        assert said.refused_servers == refused

    def test_given_our_own_message_when_it_comes_back_then_it_was_delivered_and_read(self) -> None:
        (said,) = heard(
            line(type="user", isReplay=True, uuid="u1", message={"content": [{"type": "text", "text": "hi"}]})
        )
        assert (said.delivered, said.begun, said.events) == (("u1",), "u1", ())

    @pytest.mark.parametrize(("state", "begun"), [("queued", None), ("started", "u1"), ("cancelled", "u1")])
    def test_given_a_message_in_the_queue_when_its_state_is_read_then_it_has_it_but_has_not_come_to_it(
        self, state: str, begun: str | None
    ) -> None:
        (said,) = heard(line(type="command_lifecycle", command_uuid="u1", state=state))
        assert (said.delivered, said.begun) == (("u1",), begun)

    def test_given_words_of_the_cli_itself_when_they_are_read_then_the_agent_did_not_say_them(self) -> None:
        content = [{"type": "text", "text": "API Error: 500"}]
        (said,) = heard(line(type="assistant", message={"model": "<synthetic>", "content": content}))
        assert said.events == ()

    def test_given_a_call_of_an_agent_that_the_agent_started_when_it_is_read_then_it_names_that_call(self) -> None:
        content = [{"type": "tool_use", "id": "c2", "name": "Read", "input": {}}]
        (said,) = heard(line(type="assistant", parent_tool_use_id="c1", message={"model": "m", "content": content}))
        assert said.events[0].data == {"id": "c2", "name": "Read", "input": {}, "parent": "c1"}

    def test_given_more_strays_than_are_passed_on_when_the_output_ends_then_it_says_how_many_were_dropped(self) -> None:
        reading = Reading(Meter())
        passed = [event for _ in range(STRAY_LINES + 7) for event in reading.feed(b"no json").events]
        assert len(passed) == STRAY_LINES
        assert reading.last().events[0].data["text"].startswith("7 more lines")


class TestUsage:
    def begin(self, model: str, tokens: int) -> dict[str, Any]:
        return {"type": "message_start", "message": {"model": model, "usage": {"input_tokens": tokens}}}

    def grow(self, tokens: int) -> dict[str, Any]:
        return {"type": "message_delta", "usage": {"output_tokens": tokens}}

    def total(self, model: str, tokens: tuple[int, int], cost: float) -> dict[str, Any]:
        return {"modelUsage": {model: {"inputTokens": tokens[0], "outputTokens": tokens[1], "costUSD": cost}}}

    @given(
        st.lists(st.tuples(st.integers(0, 1000), st.lists(st.integers(0, 500), max_size=4)), max_size=5),
        st.integers(0, 300),
        st.integers(0, 300),
    )
    def test_given_any_stream_when_a_result_settles_it_then_all_that_was_told_adds_up_to_its_totals(
        self, messages: list[tuple[int, list[int]]], hidden_in: int, hidden_out: int
    ) -> None:
        """`hidden` is what agents of its own used, which does not stream."""
        meter = Meter()
        told = []
        for tokens, growth in messages:
            told += [*meter.partial(self.begin("m", tokens))]
            for output in growth:
                told += [*meter.partial(self.grow(output))]
        total_in = sum(tokens for tokens, _ in messages) + hidden_in
        total_out = sum(max(growth, default=0) for _, growth in messages) + hidden_out
        told += [*meter.settle(self.total("m", (total_in, total_out), 0.5))]
        told += [*meter.settle(self.total("m", (total_in, total_out), 0.5))]
        assert sum(event.data["inputTokens"] for event in told) == total_in
        assert sum(event.data["outputTokens"] for event in told) == total_out
        assert sum(event.data.get("costUsd", 0) for event in told) == 0.5

    def test_given_a_conversation_that_goes_on_when_its_totals_were_kept_then_only_what_is_new_is_told(self) -> None:
        first = Meter()
        list(first.settle(self.total("m", (100, 10), 0.5)))
        later = Meter.from_json(json.loads(json.dumps(first.to_json())))
        (event,) = later.settle(self.total("m", (150, 12), 0.75))
        assert event.data == {"model": "m", "inputTokens": 50, "outputTokens": 2, "costUsd": 0.25}

    def test_given_totals_that_name_the_context_window_when_they_settle_then_tokens_are_not_told_again(self) -> None:
        meter = Meter()
        list(meter.partial(self.begin("m", 100)))
        told, settled = meter.settle(self.total("m[1m]", (100, 0), 0.5))
        assert told.data == {"model": "m", "inputTokens": 100, "outputTokens": 0}
        assert (settled.data["inputTokens"], settled.data["costUsd"]) == (0, 0.5)

    @pytest.mark.parametrize("saved", [None, [], {"m": 1}, {"m": {"input": "x", "cost": -1}}])
    def test_given_totals_that_cannot_be_read_when_a_meter_is_made_of_them_then_it_begins_at_nothing(
        self, saved: Any
    ) -> None:
        assert all(total == Amount() for total in Meter.from_json(saved).totals.values())


class TestOutcome:
    @pytest.mark.parametrize(
        ("result", "failure", "code"),
        [
            ({"terminal_reason": "max_turns", "subtype": "error_max_turns"}, "agent", "maxTurns"),
            ({"terminal_reason": "budget_exhausted"}, "policy", "budget"),
            ({"terminal_reason": "api_error", "api_error_status": 401}, "infrastructure", "authentication"),
            ({"result": "Not logged in · Please run /login"}, "infrastructure", "authentication"),
            ({"terminal_reason": "api_error", "api_error_status": 529}, "infrastructure", "overloaded"),
            ({"terminal_reason": "api_error", "api_error_status": None}, "infrastructure", "modelError"),
            ({"terminal_reason": "aborted_tools"}, "infrastructure", "interrupted"),
            ({"terminal_reason": "something_new"}, "agent", "something_new"),
        ],
    )
    def test_given_a_bad_result_when_it_is_judged_then_its_kind_is_known(
        self, result: dict[str, Any], failure: str, code: str
    ) -> None:
        outcome = outcome_of({"subtype": "success", "is_error": True, **result})
        assert (outcome.ok, outcome.failure, outcome.failure_code) == (False, failure, code)
        assert outcome.message

    def test_given_a_result_of_an_older_cli_when_it_names_no_reason_then_its_error_flag_decides(self) -> None:
        assert outcome_of({"is_error": False, "result": "fine"}).ok
        assert not outcome_of({"result": "fine"}).ok

    def test_given_notes_for_the_makers_of_the_cli_when_a_result_has_them_then_people_do_not_read_them(self) -> None:
        outcome = outcome_of({"is_error": True, "terminal_reason": "aborted_tools", "errors": ["[ede_diagnostic] x"]})
        assert "ede" not in outcome.message


def turn(tmp_path: Path, **changes: Any) -> Turn:
    given_: dict[str, Any] = {"task_id": "t", "attempt": 1, "prompt": "the prompt", "env": {"PATH": "/bin"}, **changes}
    return Turn(workspace=tmp_path, state_dir=tmp_path / "state", **given_)


class TestLaunch:
    def argv(self, asked: Turn) -> list[str]:
        return list(launch.arguments("claude", asked, launch.home_of(asked), session="s", resume=False))

    @pytest.mark.parametrize(
        ("mode", "word"),
        [
            (PermissionMode.EDITS, "acceptEdits"),
            (PermissionMode.ALLOWED, "dontAsk"),
            (PermissionMode.PLAN, "plan"),
            (PermissionMode.ALL, "bypassPermissions"),
        ],
    )
    def test_given_a_permission_mode_when_the_cli_is_started_then_it_is_its_own_word(
        self, tmp_path: Path, mode: PermissionMode, word: str
    ) -> None:
        argv = self.argv(turn(tmp_path, permissions=Permissions(mode=mode, allowed_tools=("Bash(git *)", "Read"))))
        assert argv[argv.index("--permission-mode") + 1] == word
        assert argv[argv.index("--allowedTools") + 1] == "Bash(git *),Read"

    def test_given_texts_of_a_task_when_the_cli_is_started_then_none_is_an_argument(self, tmp_path: Path) -> None:
        words = " ".join(self.argv(turn(tmp_path, system_prompt="of the system", context="of before")))
        assert not any(text in words for text in ("the prompt", "of the system", "of before"))

    def test_given_bounds_when_the_cli_is_started_then_it_keeps_them_itself(self, tmp_path: Path) -> None:
        argv = self.argv(turn(tmp_path, bounds=Bounds(turns=5, cost_usd=1.5), model="opus"))
        assert [argv[argv.index(name) + 1] for name in ("--max-turns", "--max-budget-usd", "--model")] == [
            "5",
            "1.5",
            "opus",
        ]

    def test_given_root_when_everything_is_allowed_then_the_cli_is_told_that_it_is_in_a_sandbox(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        for mode in PermissionMode:
            asked = turn(tmp_path, permissions=Permissions(mode=mode))
            assert ("IS_SANDBOX" in launch.environment(asked, launch.home_of(asked))) == (mode is PermissionMode.ALL)

    def test_given_a_fresh_environment_when_the_cli_is_started_then_it_reports_nothing_and_updates_nothing(
        self, tmp_path: Path
    ) -> None:
        env = launch.environment(turn(tmp_path), launch.home_of(turn(tmp_path)))
        for name in ("DISABLE_TELEMETRY", "DISABLE_AUTOUPDATER", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"):
            assert env[name] == "1"


class TestDiff:
    def test_given_a_patch_when_it_is_shown_then_it_is_a_unified_diff(self) -> None:
        hunk = {"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": [" one", "-two", "+2"]}
        shown = unified({"filePath": "notes.txt", "structuredPatch": [hunk]})
        assert shown.splitlines() == ["--- notes.txt", "+++ notes.txt", "@@ -1,2 +1,2 @@", " one", "-two", "+2"]

    @given(JSON)
    def test_given_anything_else_when_it_is_shown_then_there_is_no_diff(self, result: Any) -> None:
        assert unified(result) == ""
