"""Agents of the Agent Client Protocol without their CLIs: what lines mean, who says what when, what they are given."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.json_values import JSON

from agent_swarm.harness.acp import outcomes
from agent_swarm.harness.acp.agents import COPILOT, GEMINI, OPENCODE, AcpAgent
from agent_swarm.harness.acp.dialogue import AcpDialogue, server_of
from agent_swarm.harness.acp.manner import Manner
from agent_swarm.harness.acp.servers import refusing
from agent_swarm.harness.base import Bounds, EventKind, PermissionMode, Permissions, Turn
from agent_swarm.harness.kept.heard import ALIVE, NOTHING, Heard
from agent_swarm.harness.kept.home import Home
from agent_swarm.testing.tool_server import ToolServer

MANNER = Manner(name="one", title="One", remedy="set KEY")
UPDATES = st.sampled_from(
    ["agent_message_chunk", "tool_call", "tool_call_update", "usage_update", "available_commands_update", "plan"]
)
FIELDS = st.sampled_from(
    ["content", "toolCallId", "status", "title", "kind", "rawInput", "rawOutput", "cost", "sessionUpdate"]
)


def a_turn(folder: Path = Path("/run"), **changes: Any) -> Turn:
    given: dict[str, Any] = {
        "task_id": "0198b2a4-0000-7000-8000-000000000001",
        "attempt": 1,
        "prompt": "a prompt",
        "workspace": folder / "workspace",
        "state_dir": folder / "state",
        "env": {"OPENAI_API_KEY": "sk-1", "GEMINI_API_KEY": "sk-1"},
    }
    return Turn(**{**given, **changes})


class Talk:
    """A dialogue, and what was written in it."""

    def __init__(
        self,
        *,
        manner: Manner = MANNER,
        session: str | None = None,
        cost_usd: float = 0.0,
        refused: tuple[str, ...] = (),
        **turn: Any,
    ) -> None:
        self.dialogue = AcpDialogue(manner, a_turn(**turn), session=session, cost_usd=cost_usd, refused=refused)

    def hear(self, **body: Any) -> Heard:
        return self.dialogue.feed(json.dumps(body).encode())

    def answer(self, ident: str, **result: Any) -> Heard:
        return self.hear(id=ident, result=result)

    def refuse(self, ident: str, **error: Any) -> Heard:
        return self.hear(id=ident, error=error)

    def update(self, about: str, /, **more: Any) -> Heard:
        update = {"sessionUpdate": about, **more}
        return self.hear(method="session/update", params={"sessionId": "s", "update": update})

    def say(self, text: str) -> Heard:
        return self.update("agent_message_chunk", content={"type": "text", "text": text})

    def ask(self, **call: Any) -> Heard:
        kinds = ("allow_once", "allow_always", "reject_once", "reject_always")
        options = [{"optionId": f"the-{kind}", "kind": kind} for kind in kinds]
        return self.hear(id=9, method="session/request_permission", params={"toolCall": call, "options": options})

    def open(self, **able: Any) -> "Talk":
        """With its conversation begun."""
        self.answer("initialize", protocolVersion=1, agentCapabilities=able)
        self.answer("open", sessionId="s")
        return self

    def begin(self) -> "Talk":
        """With a turn that message `1` begins."""
        self.open()
        self.dialogue.post("1", "one")
        self.dialogue.written()
        return self

    def end(self, reason: str = "end_turn", **more: Any) -> Heard:
        return self.answer("prompt", stopReason=reason, **more)

    def methods(self) -> list[Any]:
        return [line.get("method") for line in self.dialogue.written()]

    def prompts(self) -> list[list[str]]:
        """What was said to the agent, by turn."""
        lines = [line for line in self.dialogue.written() if line.get("method") == "session/prompt"]
        return [[block["text"] for block in line["params"]["prompt"]] for line in lines]


class TestEvents:
    def test_given_recorded_lines_of_a_turn_when_they_are_read_then_words_are_whole_and_calls_are_told_once(
        self,
    ) -> None:
        talk = Talk().begin()
        heard = [
            talk.say("I "),
            talk.say("look"),
            talk.update("tool_call", toolCallId="c", title="bash", status="pending", rawInput={}),
            talk.update("tool_call_update", toolCallId="c", status="in_progress", rawInput={"command": "ls"}),
            talk.update("tool_call_update", toolCallId="c", status="in_progress"),
            talk.update(
                "tool_call_update",
                toolCallId="c",
                status="completed",
                content=[
                    {"type": "content", "content": {"type": "text", "text": "a"}},
                    {"type": "diff", "path": "a", "oldText": None, "newText": "x\n"},
                ],
            ),
            talk.update("tool_call_update", toolCallId="c", status="completed"),
        ]
        events = [event for one in heard for event in one.events]
        assert [(one.kind, one.data) for one in events] == [
            (EventKind.TEXT, {"text": "I look"}),
            (EventKind.TOOL_CALL, {"id": "c", "name": "bash", "input": {"command": "ls"}}),
            (
                EventKind.TOOL_RESULT,
                {"id": "c", "ok": True, "output": "a", "diff": "--- /dev/null\n+++ a\n@@ -0,0 +1 @@\n+x"},
            ),
        ]

    @pytest.mark.parametrize(
        "over", [{"status": "failed"}, {"status": "completed", "rawOutput": {"metadata": {"exit": 1}}}]
    )
    def test_given_a_call_that_failed_when_it_is_over_then_its_result_is_not_good(self, over: dict[str, Any]) -> None:
        (_, result) = Talk().begin().update("tool_call", toolCallId="c", title="bash", **over).events
        assert (result.kind, result.data["ok"]) == (EventKind.TOOL_RESULT, False)

    def test_given_totals_of_a_conversation_when_turns_end_then_each_tells_what_it_alone_has_used(self) -> None:
        talk = Talk(session="s", cost_usd=1.0)
        talk.open(loadSession=True)
        told = []
        for total in (1.25, 1.25, 1.0, 1.75):
            talk.dialogue.post("1", "one")
            talk.update("usage_update", cost={"amount": total})
            talk.say("fine")
            heard = talk.end(usage={"inputTokens": 10, "outputTokens": 2})
            told += [event.data for event in heard.events if event.kind is EventKind.USAGE]
        assert [(one["inputTokens"], one["outputTokens"]) for one in told] == [(10, 2)] * 4
        assert [one.get("costUsd", 0) for one in told] == [0.25, 0, 0, 0.5]
        assert talk.dialogue.totals() == {"costUsd": 1.75}

    def test_given_a_conversation_of_somebody_else_when_it_is_told_of_then_nothing_is_heard(self) -> None:
        talk = Talk().begin()
        update = {"sessionUpdate": "tool_call", "toolCallId": "c", "status": "completed"}
        assert talk.hear(method="session/update", params={"sessionId": "other", "update": update}) is ALIVE
        assert talk.dialogue.feed(b"") is NOTHING

    @given(st.binary(max_size=200))
    def test_given_any_bytes_when_they_are_read_then_they_are_no_end_of_a_turn(self, data: bytes) -> None:
        assert all(Talk().begin().dialogue.feed(line).outcome is None for line in data.split(b"\n"))

    @given(st.sampled_from([MANNER, COPILOT.manner]), UPDATES, st.dictionaries(FIELDS, JSON, max_size=6))
    def test_given_any_fields_of_a_known_update_when_they_are_read_then_events_are_json(
        self, manner: Manner, kind: str, fields: dict[str, Any]
    ) -> None:
        for event in Talk(manner=manner).begin().update(kind, **fields).events:
            json.dumps(event.data)


class TestConversations:
    def test_given_messages_when_a_turn_goes_on_then_they_begin_the_next_one_and_the_first_says_the_system_prompt(
        self,
    ) -> None:
        talk = Talk(system_prompt="be kind")
        talk.dialogue.post("1", "one")
        talk.open()
        assert talk.prompts() == [["be kind\n\none"]]
        talk.dialogue.post("2", "two")
        talk.dialogue.post("3", "three")
        assert talk.prompts() == []
        heard = talk.say("fine")
        assert (heard.delivered, heard.begun) == (("1",), "1")
        outcome = talk.end().outcome
        assert outcome is not None and (outcome.ok, outcome.result) == (True, "fine")
        assert talk.prompts() == [["two", "three"]]
        assert talk.say("more").delivered == ("2", "3")

    def test_given_a_message_that_interrupts_when_a_turn_goes_on_then_that_is_cancelled_once_and_the_next_begins(
        self,
    ) -> None:
        talk = Talk().begin()
        talk.dialogue.post("2", "two", interrupt=True)
        talk.dialogue.post("3", "three", interrupt=True)
        assert talk.methods() == ["session/cancel"]
        outcome = talk.end("cancelled").outcome
        assert outcome is not None and outcome.failure_code == "interrupted"
        assert talk.prompts() == [["two", "three"]]

    def test_given_an_agent_that_is_to_stop_when_its_turn_ends_then_no_other_one_begins(self) -> None:
        talk = Talk().begin()
        talk.dialogue.post("2", "two")
        talk.dialogue.halt()
        assert talk.methods() == ["session/cancel"]
        talk.end("cancelled")
        assert talk.methods() == []

    @pytest.mark.parametrize(
        ("able", "method"), [({}, "session/load"), ({"sessionCapabilities": {"resume": {}}}, "session/resume")]
    )
    def test_given_a_conversation_that_is_to_go_on_when_it_is_not_there_then_that_is_known(
        self, able: dict[str, Any], method: str
    ) -> None:
        talk = Talk(session="s")
        talk.answer("initialize", protocolVersion=1, agentCapabilities=able)
        assert talk.methods() == ["initialize", method]
        assert talk.refuse("open", code=-32602, message="unknown session").is_unknown

    def test_given_an_agent_that_tells_its_history_late_when_it_goes_on_then_nothing_of_it_is_told_again(self) -> None:
        talk = Talk(manner=GEMINI.manner, session="s")
        talk.dialogue.post("1", "one")
        talk.open()
        assert talk.say("of yesterday") is ALIVE
        assert talk.prompts() == []
        talk.update("available_commands_update")
        assert talk.prompts() == [["one"]]
        talk.say("of today")
        outcome = talk.end().outcome
        assert outcome is not None and outcome.result == "of today"

    def test_given_a_bound_of_calls_when_it_is_reached_then_the_turn_is_cancelled_and_has_failed_by_it(self) -> None:
        talk = Talk(bounds=Bounds(turns=1)).begin()
        talk.update("tool_call", toolCallId="c", title="bash", status="completed")
        assert talk.methods() == ["session/cancel"]
        outcome = talk.end("cancelled").outcome
        assert outcome is not None
        assert (outcome.failure, outcome.failure_code) == ("agent", "maxTurns")

    def test_given_a_server_that_refuses_its_token_when_the_agent_is_there_then_no_conversation_is_opened(self) -> None:
        talk = Talk(refused=("swarm",))
        talk.dialogue.post("1", "one")
        assert talk.answer("initialize", protocolVersion=1).refused_servers == ("swarm",)
        assert talk.methods() == ["initialize"]

    def test_given_an_agent_of_another_protocol_when_it_says_so_then_the_run_has_failed_and_nothing_waits(self) -> None:
        talk = Talk()
        talk.dialogue.post("1", "one")
        heard = talk.answer("initialize", protocolVersion=2)
        assert heard.outcome is not None
        assert (heard.outcome.failure_code, heard.lost) == ("cannotBegin", ("1",))
        assert "expected version 1" in heard.outcome.message
        assert not talk.dialogue.goes_on


class TestPermissions:
    @pytest.mark.parametrize(
        ("mode", "by_sandbox", "kinds"),
        [
            (PermissionMode.ALL, False, {"read", "edit", "execute"}),
            (PermissionMode.EDITS, False, {"read", "edit"}),
            (PermissionMode.EDITS, True, {"read", "edit", "execute"}),
            (PermissionMode.ALLOWED, False, {"read"}),
            (PermissionMode.PLAN, False, {"read"}),
        ],
    )
    def test_given_a_permission_mode_when_the_agent_asks_for_leave_then_it_has_it_by_the_kind_of_the_tool(
        self, mode: PermissionMode, by_sandbox: bool, kinds: set[str]
    ) -> None:
        allowed = set()
        for kind in ("read", "edit", "execute"):
            talk = Talk(permissions=Permissions(mode=mode, by_sandbox=by_sandbox)).begin()
            heard = talk.ask(toolCallId="c", title="it", kind=kind, rawInput={"x": 1})
            (line,) = talk.dialogue.written()
            chosen = line["result"]["outcome"]["optionId"]
            if chosen == "the-allow_always":
                allowed.add(kind)
            else:
                assert chosen == "the-reject_once"
                assert [(one.kind, one.data) for one in heard.events] == [
                    (EventKind.DENIED, {"id": "c", "name": "it", "input": {"x": 1}})
                ]
        assert allowed == kinds

    def test_given_tools_of_the_workers_servers_when_the_agent_asks_then_those_are_allowed_and_others_are_not(
        self,
    ) -> None:
        talk = Talk(permissions=Permissions(mode=PermissionMode.PLAN), mcp_servers={"swarm": {}}).begin()
        assert talk.ask(toolCallId="c", title="swarm_say", kind="other").events == ()
        assert talk.ask(toolCallId="d", title="swarmed", kind="other").events != ()
        talk.hear(id=10, method="fs/read_text_file", params={})
        assert talk.dialogue.written()[-1]["error"]["code"] == -32601


class TestOutcomes:
    @pytest.mark.parametrize(
        ("reason", "code"),
        [
            ("cancelled", "interrupted"),
            ("max_turn_requests", "maxTurns"),
            ("max_tokens", "outputLimit"),
            ("refusal", "modelRefused"),
            ("of tomorrow", "failed"),
        ],
    )
    def test_given_a_turn_that_ends_otherwise_when_it_is_judged_then_it_is_not_good(
        self, reason: str, code: str
    ) -> None:
        talk = Talk().begin()
        talk.say("half")
        outcome = talk.end(reason).outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure_code) == (False, code)

    def test_given_a_turn_that_ends_without_a_word_when_it_is_judged_then_it_is_not_good(self) -> None:
        talk = Talk().begin()
        talk.say("fine")
        talk.end()
        talk.dialogue.post("2", "two")
        outcome = talk.end().outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure_code) == (False, "noAnswer"), "words of the turn before do not count"

    @pytest.mark.parametrize(
        ("error", "failure", "code"),
        [
            ({"code": -32000, "message": "log in"}, "infrastructure", "authentication"),
            ({"code": 401, "message": "no"}, "infrastructure", "authentication"),
            ({"code": -32603, "data": {"status": 403}}, "infrastructure", "authentication"),
            (
                {"message": "Internal error", "data": {"details": "API key not valid"}},
                "infrastructure",
                "authentication",
            ),
            ({"code": 429, "message": "no"}, "infrastructure", "rateLimit"),
            ({"message": "You exceeded your current quota"}, "infrastructure", "rateLimit"),
            ({"data": {"statusCode": 529}, "message": "no"}, "infrastructure", "overloaded"),
            ({"message": "the model is overloaded"}, "infrastructure", "overloaded"),
            ({"message": "model nobody-1 was not found"}, "policy", "unknownModel"),
            ({"code": 422, "message": "no"}, "agent", "modelRefused"),
            ({"code": -32603, "message": "Internal error"}, "infrastructure", "modelError"),
            ({"message": 7}, "infrastructure", "modelError"),
        ],
    )
    def test_given_a_prompt_that_is_refused_when_it_is_judged_then_its_kind_is_known_and_no_reset_is_made_up(
        self, error: dict[str, Any], failure: str, code: str
    ) -> None:
        talk = Talk().begin()
        talk.dialogue.post("2", "two")
        heard = talk.refuse("prompt", **error)
        outcome = heard.outcome
        assert outcome is not None
        assert (outcome.ok, outcome.failure, outcome.failure_code, outcome.retry_at) == (False, failure, code, None)
        assert ("set KEY" in outcome.message) == (code == "authentication")
        assert (heard.lost, talk.dialogue.goes_on) == (("2",), False)

    def test_given_an_agent_that_is_not_logged_in_when_it_opens_nothing_then_the_remedy_is_told(self) -> None:
        outcome = outcomes.cannot_begin({"code": -32000, "message": "no"}, title="One", remedy="set KEY")
        assert (outcome.failure_code, "set KEY" in outcome.message) == ("authentication", True)


class TestServers:
    pytestmark = pytest.mark.anyio

    async def test_given_servers_when_they_are_asked_first_then_those_that_let_nobody_in_are_named(self) -> None:
        async with ToolServer("right") as tools:
            good = tools.config()
            wrong = {**good, "headers": {"Authorization": "Bearer wrong"}}
            nowhere = {"type": "http", "url": "http://127.0.0.1:9/mcp"}
            servers = {"good": good, "wrong": wrong, "nowhere": nowhere, "command": {"command": "false"}}
            assert await refusing(servers) == ("wrong", "nowhere")

    async def test_given_servers_of_both_kinds_when_an_agent_is_told_then_each_is_as_the_protocol_has_it(self) -> None:
        web = server_of("web", {"type": "http", "url": "http://x/mcp", "headers": {"A": "b"}})
        local = server_of("local", {"command": "serve", "args": ["x"], "env": {"K": "v"}})
        assert web == {"type": "http", "name": "web", "url": "http://x/mcp", "headers": [{"name": "A", "value": "b"}]}
        assert local == {"name": "local", "command": "serve", "args": ["x"], "env": [{"name": "K", "value": "v"}]}


class TestAgents:
    @pytest.mark.parametrize("agent", [OPENCODE, GEMINI, COPILOT], ids=lambda one: one.manner.name)
    def test_given_a_turn_when_an_agent_is_started_then_no_secret_or_word_of_it_is_in_its_arguments(
        self, agent: AcpAgent, tmp_path: Path
    ) -> None:
        servers = {"swarm": {"url": "http://x", "headers": {"Authorization": "Bearer t-1"}}}
        turn = a_turn(tmp_path, system_prompt="be kind", mcp_servers=servers, model="a-model")
        words = " ".join(agent.arguments(turn))
        for word in ("a prompt", "be kind", "sk-1", "http://x", "t-1"):
            assert word not in words

    @pytest.mark.parametrize("agent", [OPENCODE, GEMINI], ids=lambda one: one.manner.name)
    @pytest.mark.parametrize(
        ("mode", "by_sandbox", "is_asked"),
        [(PermissionMode.ALL, False, False), (PermissionMode.EDITS, True, False), (PermissionMode.EDITS, False, True)],
    )
    def test_given_a_permission_mode_when_an_agent_is_started_then_it_asks_unless_all_is_allowed(
        self, agent: AcpAgent, mode: PermissionMode, by_sandbox: bool, is_asked: bool, tmp_path: Path
    ) -> None:
        turn = a_turn(tmp_path, permissions=Permissions(mode=mode, by_sandbox=by_sandbox))
        home = Home.of(turn, agent.manner.name)
        home.prepare()
        given = f"{agent.arguments(turn)} {agent.settings(turn, home, 4)}"
        assert ("yolo" not in given and '{"*": "allow"}' not in given) == is_asked

    def test_given_a_key_when_opencode_is_set_up_then_its_settings_name_the_variable_only(self, tmp_path: Path) -> None:
        turn = a_turn(tmp_path, model="openai/m", env={"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://x/v1"})
        config = OPENCODE.settings(turn, Home.of(turn, "opencode"), 4)["OPENCODE_CONFIG_CONTENT"]
        assert "sk-1" not in config
        given = json.loads(config)
        assert given["provider"] == {
            "openai": {"options": {"apiKey": "{env:OPENAI_API_KEY}", "baseURL": "http://x/v1"}}
        }
        assert (given["model"], given["small_model"]) == ("openai/m", "openai/m")
