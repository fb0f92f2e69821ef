"""What is kept, what counts as the same, and what a fork changes: values in, values out."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.harness import registry
from agent_swarm.harness.base import AgentEvent, EventKind, Turn
from agent_swarm.redaction import Redactor
from agent_swarm.sandbox.process import ProcessProvider
from agent_swarm.worker.home import RECORDINGS, WorkerHome
from agent_swarm.worker.replay import again
from agent_swarm.worker.replay.again import CannotReplay, Stage
from agent_swarm.worker.replay.bodies import kept_answer, kept_request
from agent_swarm.worker.replay.fork import Fork
from agent_swarm.worker.replay.mcp import NOT_RECORDED, McpAnswers
from agent_swarm.worker.replay.normal import Normal, first_difference, same
from agent_swarm.worker.replay.routes import Routes
from agent_swarm.worker.replay.tape import Exchange, Head, Recording, RecordingDamaged, Tape
from agent_swarm.worker.replay.telling import Telling
from agent_swarm.worker.replay.trees import differences, tree_of
from agent_swarm.worker.replay.verdict import story

SECRET = "a-secret-of-the-run-4711"
PLAIN = Normal({})
HEAD = Head(
    task_id="t", attempt=1, harness="claude", prompt="do it", opening={}, workspace="/w", state_dir="/s", env={},
    permissions={}, bounds={}, routes={}, tree={},
)  # fmt: skip


def asked(place: str, *, when: str, port: int) -> dict[str, Any]:
    text = f"In {place}/work at {when}, by http://127.0.0.1:{port}/x; see -{place[1:].replace('/', '-')}-work"
    block = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
    return {"model": "m", "metadata": {"user_id": when}, "messages": [{"role": "user", "content": [block]}]}


def test_given_two_runs_that_differ_by_place_and_time_when_they_are_compared_then_they_ask_the_same() -> None:
    one = Normal({"/a/b": "run"}).request(asked("/a/b", when="2026-11-28T01:53:09Z", port=41))
    other = Normal({"/elsewhere": "run"}).request(asked("/elsewhere", when="2027-01-01T00:00:00Z", port=5007))
    assert same(one, other)
    assert first_difference(one, other) is None


def test_given_another_word_in_a_request_when_they_are_compared_then_the_place_and_both_words_are_told() -> None:
    long = "x" * 500
    one = {"messages": [{"content": "same"}, {"content": [{"text": f"{long} ada {long}"}]}]}
    other = {"messages": [{"content": "same"}, {"content": [{"text": f"{long} bob {long}"}]}]}
    found = first_difference(one, other)
    assert found is not None and found.at == "messages[1].content[0].text"
    assert "ada" in found.recorded and "bob" in found.asked and len(found.asked) < 300
    longer = first_difference({"tools": [1]}, {"tools": [1, 2]})
    assert longer is not None and (longer.at, longer.recorded, longer.asked) == ("tools[1]", None, 2)


def test_given_a_secret_that_comes_in_pieces_when_an_answer_is_kept_then_none_of_it_is() -> None:
    redactor = Redactor([SECRET])
    events = [{"delta": {"type": "text_delta", "text": piece}} for piece in (SECRET[:9], SECRET[9:])]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    assert kept_answer(stream.encode(), redactor) == ("", False)
    pieces = [{"function": {"arguments": piece}} for piece in (SECRET[:9], SECRET[9:])]
    assert kept_answer("\n".join(map(json.dumps, pieces)).encode(), redactor) == ("", False)
    assert kept_answer(b'data: {"text": "harmless"}\n\n', redactor) == ('data: {"text": "harmless"}\n\n', True)
    assert kept_answer(b"\xff\xfe", redactor) == ("", False)
    assert SECRET not in json.dumps(kept_request(json.dumps({"m": [f"key {SECRET}"]}).encode(), redactor))


def test_given_a_tool_that_was_called_once_when_it_is_called_twice_then_the_second_call_is_refused() -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "n", "_meta": {"progressToken": 1}}}
    tools = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    exchanges = [
        Exchange(n=1, route="mcp.s", method="POST", path="", request=call, status=200,
                 body='event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{"x":1}}\n\n'),
        Exchange(n=2, route="mcp.s", method="POST", path="", request=tools, status=200,
                 body='{"jsonrpc":"2.0","id":2,"result":{"tools":[]}}'),
    ]  # fmt: skip
    answers = McpAnswers(exchanges, PLAIN, PLAIN)
    again = {**call, "id": 77, "params": {"name": "n", "_meta": {"progressToken": 9}}}
    first, second = answers.reply("mcp.s", again).body, answers.reply("mcp.s", again).body
    assert first == {"jsonrpc": "2.0", "id": 77, "result": {"x": 1}}
    assert second is not None and second["error"]["code"] == NOT_RECORDED
    assert [(answers.reply("mcp.s", {**tools, "id": n}).body or {})["id"] for n in (5, 6)] == [5, 6]
    assert answers.reply("mcp.s", {"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202


@pytest.mark.parametrize("member", ["messages", "input", "contents"])
def test_given_a_fork_with_a_prompt_when_the_conversation_grows_then_it_stays_where_it_was_put(member: str) -> None:
    begun = [{"role": "user", "content": "begin"}]
    fork, sent = Fork(at=1, model="other", prompt="mind the tide").changed({"model": "m", member: begun})
    assert sent["model"] == "other"
    grown = [*begun, {"role": "assistant", "content": "ok"}, {"role": "user", "content": "on"}]
    _, later = fork.changed({"model": "m", member: grown})
    assert later[member][: len(sent[member])] == sent[member]
    assert json.dumps(later).count("mind the tide") == 1
    assert later[member][-1] == grown[-1]


def test_given_a_model_in_the_path_when_a_fork_has_another_then_that_is_asked_and_the_body_stays() -> None:
    target = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    fork, sent = Fork(at=1, model="gemini-3/x").changed({"contents": [{"role": "user", "parts": []}]})
    assert fork.led(target) == "/v1beta/models/gemini-3%2Fx:streamGenerateContent?alt=sse"
    assert "model" not in sent
    assert Fork(at=1).led(target) == target
    assert fork.led("/v1/messages?beta=true") == "/v1/messages?beta=true"


def test_given_files_when_one_is_changed_and_one_is_new_then_both_are_named_and_git_is_left_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to("a")
    before = tree_of(tmp_path)
    (tmp_path / ".git" / "HEAD").write_text("x")
    assert tree_of(tmp_path) == before and set(before) == {"a", "link"}
    (tmp_path / "a").chmod(0o755)
    (tmp_path / "b").write_text("b")
    (tmp_path / "link").unlink()
    assert differences(before, tree_of(tmp_path)) == ["changed: a", "new: b", "missing: link"]


def test_given_a_turn_when_it_is_led_through_the_recorder_then_no_way_out_is_opened_that_was_not_there() -> None:
    servers = {
        "near": {"type": "http", "url": "http://near/mcp"},
        "far": {"url": "http://far/mcp"},
        "own": {"command": "x"},
    }
    turn = Turn(
        task_id="t", attempt=1, prompt="", workspace=Path("/w"), state_dir=Path("/s"),
        env={"ANTHROPIC_BASE_URL": "http://model/base", "NO_PROXY": "near"}, mcp_servers=servers,
    )  # fmt: skip
    at_no_one_place = "COPILOT_PROVIDER_BASE_URL"
    routes = Routes.of(turn, ("ANTHROPIC_BASE_URL", at_no_one_place), lambda url: "far" not in url)
    led = routes.led(turn, 4000)
    assert routes.outside == {"ANTHROPIC_BASE_URL": "http://model/base", "mcp.near": "http://near/mcp"}
    assert (led.mcp_servers["far"], led.mcp_servers["own"]) == (servers["far"], servers["own"])
    assert led.env["NO_PROXY"] == "near,127.0.0.1"
    below = led.env["ANTHROPIC_BASE_URL"].removeprefix("http://127.0.0.1:4000")
    assert routes.find(f"{below}/v1/messages?beta=true") == ("ANTHROPIC_BASE_URL", "/v1/messages?beta=true")
    assert routes.find(led.mcp_servers["near"]["url"].removeprefix("http://127.0.0.1:4000")) == ("mcp.near", "")
    assert routes.find("/wrong/ANTHROPIC_BASE_URL/v1/messages") is None
    assert routes.find("/") is None


def test_given_a_recording_when_it_is_read_then_steps_are_in_order_and_nothing_secret_is_in_it(
    tmp_path: Path,
) -> None:
    tape = Tape(tmp_path / "r", Redactor([SECRET]))
    tape.begin(HEAD)
    tape.lent(["ONE"])
    tape.lent(["TWO"])
    for n in (2, 1):
        exchange = Exchange(
            n=n, route="ANTHROPIC_BASE_URL", method="POST", path="/v1/messages", request=None, status=200,
            headers={"content-type": "text/plain", "set-cookie": "session=1", "retry-after-ms": "1"},
        )  # fmt: skip
        tape.exchange(exchange, json.dumps({"key": SECRET}).encode(), b"ok")
    tape.event(AgentEvent(EventKind.TEXT, {"text": f"it is {SECRET}"}))
    tape.end(ok=False, tree={})
    tape.end(ok=True, tree={"a": "100644 x"})
    tape.close()
    text = tape.path.read_text()
    assert SECRET not in text and "set-cookie" not in text
    assert tape.path.stat().st_mode & 0o077 == 0
    read = Recording.read(tape.path)
    assert [one.n for one in read.steps] == [1, 2]
    assert read.steps[0].headers == {"content-type": "text/plain", "retry-after-ms": "1"}
    assert (read.tree, read.lent) == ({"a": "100644 x"}, (("ONE",), ("TWO",)))


def test_given_an_agent_cli_that_takes_over_when_it_is_recorded_then_the_part_of_the_first_stays(
    tmp_path: Path,
) -> None:
    for harness in ("claude", "codex", "pi"):
        tape = Tape(tmp_path / "r", Redactor())
        tape.begin(replace(HEAD, harness=harness))
        tape.close()
    first = Recording.read(tmp_path / "r" / "recording.jsonl")
    assert [first.head.harness, *(Recording.read(path).head.harness for path in first.others)] == [
        "claude",
        "codex",
        "pi",
    ]


def test_given_a_recording_that_is_full_when_more_comes_then_it_ends_with_a_whole_line(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "r", Redactor(), most_bytes=2000)
    tape.begin(HEAD)
    for number in range(100):
        tape.event(AgentEvent(EventKind.TOOL_CALL, {"id": f"{number}" * 20}))
    tape.end(ok=True, tree={})
    tape.close()
    read = Recording.read(tape.path)
    assert tape.path.stat().st_size <= 2000
    assert read.events and read.tree is None


def test_given_what_is_no_recording_when_it_is_read_then_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"k": "head"}\n')
    with pytest.raises(RecordingDamaged, match="cannot be replayed"):
        Recording.read(tmp_path / "x")


def test_given_as_many_recordings_as_are_kept_when_one_more_is_made_then_the_oldest_goes(tmp_path: Path) -> None:
    home = WorkerHome(tmp_path)
    for number in range(RECORDINGS):
        folder = home.recording(f"task-{number}", 1)
        folder.mkdir(parents=True)
        os.utime(folder, (number, number))
    home.recording("one-more", 1).mkdir(parents=True)
    left = {path.parent.name for path in tmp_path.glob("recordings/*/*")}
    assert "task-0" not in left and {"task-1", "one-more"} <= left and len(left) == RECORDINGS


def test_given_a_text_that_comes_in_other_pieces_when_it_is_told_then_it_is_the_same_and_without_secrets() -> None:
    def told(*pieces: str) -> list[Any]:
        telling = Telling(Redactor([SECRET]))
        events = [AgentEvent(EventKind.STARTED, {"pid": len(pieces)})]
        events += [AgentEvent(EventKind.TEXT, {"text": piece}) for piece in pieces]
        heard = [one for event in events for one in telling.feed(event)]
        return story([*heard, *telling.rest()], PLAIN)

    assert told("a", "bc") == told("ab", "c") != told("ab")
    assert SECRET[9:] not in json.dumps(told("key ", SECRET[:9], SECRET[9:]))


def test_given_a_process_that_was_ended_after_its_work_when_another_left_by_itself_then_the_run_was_the_same() -> None:
    runs = [
        [
            AgentEvent(EventKind.STARTED, {"pid": pid, "session": f"s{pid}"}),
            AgentEvent(EventKind.TEXT, {"text": "done"}),
            AgentEvent(EventKind.ENDED, {"exit": way}),
        ]
        for pid, way in ((1, "signal 15"), (2, "exit code 0"))
    ]
    assert story(runs[0], PLAIN) == story(runs[1], PLAIN) != story(runs[1][:-1], PLAIN)


def test_given_credentials_of_a_person_when_a_run_is_forked_then_one_of_the_kind_of_the_run_is_used() -> None:
    grants = registry.get("claude").grants
    both = {"CLAUDE_CODE_OAUTH_TOKEN": "a,b", "ANTHROPIC_API_KEY": "k", "ANTHROPIC_CUSTOM_HEADERS": "h", "OTHER": "o"}
    of_a_key, of_a_gateway = (replace(HEAD, env={name: None}) for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"))
    headers = {"ANTHROPIC_CUSTOM_HEADERS": "h"}
    assert again.real_secrets(of_a_key, both, grants) == {"ANTHROPIC_API_KEY": "k", **headers}
    assert again.real_secrets(of_a_gateway, both, grants) == {"CLAUDE_CODE_OAUTH_TOKEN": "a", **headers}
    with pytest.raises(CannotReplay, match="no credentials of claude"):
        again.real_secrets(of_a_key, headers, grants)
    assert again.real_secrets(HEAD, {}, grants) == {}, "the run had none, and needed none"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("head", "why"),
    [(replace(HEAD, is_isolated=True), "sandbox that isolates"), (replace(HEAD, goes_on=True), "an earlier one")],
    ids=["place", "beginning"],
)
async def test_given_a_run_that_cannot_be_begun_again_here_when_it_is_replayed_then_nothing_is_started(
    head: Head, why: str, tmp_path: Path
) -> None:
    recording = Recording(path=tmp_path / "x", head=head, exchanges=(), events=(), tree={})
    stage = Stage(
        folder=tmp_path / "again", provider=ProcessProvider(use_cgroups=False), find_harness=registry.get, environ={}
    )
    with pytest.raises(CannotReplay, match=why):
        await again.replay(recording, stage)
