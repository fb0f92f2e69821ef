"""The stub model as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.model_server.model_client import turn

from agent_swarm.testing.model_server import Always, Call, CutStream, Fail, Hang, Message, Say, SlowStream, Think, Usage
from agent_swarm.testing.model_server.replies import FailStream, Garbage
from agent_swarm.testing.model_server.script_file import ScriptFileError, read_script

MODULE = "agent_swarm.testing.model_server"
STEPS = [
    {"say": "one", "usage": {"input_tokens": 7}},
    {"call": "Bash", "input": {"command": "true"}},
    {"message": [{"think": "hm"}, {"say": "two"}], "stop_reason": "max_tokens"},
    {"fail": 429, "message": "slow down", "headers": {"retry-after": "1"}},
    {"cut": {"say": "three"}, "after": 2},
    {"fail_stream": {"say": "four"}, "message": "busy"},
    {"slow": {"say": "five"}, "chunk_seconds": 0.5},
    {"garbage": "?", "status": 500},
    {"always": {"say": "six"}},
]


def test_given_a_file_with_every_verb_when_it_is_read_then_it_is_the_script() -> None:
    assert read_script(json.dumps(STEPS)) == [
        Say("one", usage=Usage(input_tokens=7)),
        Call("Bash", {"command": "true"}),
        Message([Think("hm"), Say("two")], stop_reason="max_tokens"),
        Fail(429, message="slow down", headers={"retry-after": "1"}),
        CutStream(Say("three"), after=2),
        FailStream(Say("four"), message="busy"),
        SlowStream(Say("five"), chunk_seconds=0.5),
        Garbage(b"?", status=500),
        Always(Say("six")),
    ]
    assert isinstance(read_script('[{"hang": true}]')[0], Hang)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("{}", "expected a list"),
        ('[{"say": "x"}, {"sing": "x"}]', "step 2: cannot read .*sing.* expected one of: fail, cut"),
        ('[{"say": "x", "loud": true}]', "step 1: .*loud"),
        ("[3]", "step 1"),
    ],
)
def test_given_a_file_that_holds_no_script_when_it_is_read_then_the_error_says_where(text: str, message: str) -> None:
    with pytest.raises(ScriptFileError, match=message):
        read_script(text)


@contextmanager
def running(*arguments: str | Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process and its URL."""
    argv = [sys.executable, "-m", MODULE, "--port", "0", *arguments]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()


def test_given_a_script_file_when_the_process_is_asked_then_it_plays_it_and_keeps_a_record(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text('[{"say": "scripted"}]')
    record = tmp_path / "record.jsonl"
    with (
        running("--script", tmp_path / "script.json", "--record", record) as (process, url),
        httpx2.Client(headers={"x-api-key": "a-secret"}) as http,
    ):
        body = turn("hi")
        assert http.post(f"{url}/v1/messages", json=body).json()["content"][0]["text"] == "scripted"
        process.terminate()
        assert process.wait(30) == 0
    (line,) = record.read_text().splitlines()
    assert json.loads(line)["body"] == body
    assert "a-secret" not in line


def test_given_a_file_that_holds_no_script_when_the_process_starts_then_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text("[{}]")
    argv = [sys.executable, "-m", MODULE, "--script", str(tmp_path / "script.json")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "step 1: cannot read {}" in done.stderr


def test_given_a_process_when_the_one_that_started_it_is_killed_then_it_ends_too() -> None:
    """The pipe that both write to has no writer left exactly when both have ended."""
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-m', {MODULE!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("http://127.0.0.1:")
        os.kill(parent.pid, signal.SIGKILL)
        assert parent.stdout.read() == ""
