"""The demo with Claude Code as one of its agents; the model is scripted, everything else is real."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from agent_swarm.testing import claude_cli as claude
from agent_swarm.testing.model_server import Call, Message, ModelRequest, ModelServer, Say
from agent_swarm.testing.model_server.replies import Reply

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SLUGS = """\
import re
import unicodedata


def slugify(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
"""
WORDS = """\
import re
from collections import Counter


def count_words(text: str) -> dict[str, int]:
    return dict(Counter(re.findall(r"[^\\W\\d_]+", text.lower())))
"""


def write_what_is_asked(request: ModelRequest) -> Reply:
    """A model that writes the function, runs its tests, commits, and says so; it believes what the tools say."""
    is_slugs = "slugify" in request.prompts[0]
    module, code, tests = ("slugs", SLUGS, "test_slugs") if is_slugs else ("words", WORDS, "test_words")
    found = re.search(r"Primary working directory: ([^\\]+)", json.dumps(request.body))
    assert found, "the agent does not tell its model where it is"
    root = found[1]
    match len(request.results):
        case 0:
            return Call("Write", {"file_path": f"{root}/textkit/{module}.py", "content": code})
        case 1:
            test = f"{sys.executable} -B -m unittest tests.{tests}"
            return Message([Say("Now its tests."), Call("Bash", {"command": test, "description": "Run the tests"})])
        case 2 if not request.results[-1].is_error:
            commit = f"git add textkit/{module}.py && git commit -q -m 'Write {module}'"
            return Call("Bash", {"command": commit, "description": "Commit"})
    return Say(f"{request.results[-1].text or 'done'}")


async def test_given_claude_code_when_it_writes_in_the_demo_then_every_promise_holds(
    run: Run, environment: dict[str, str], claude_cli: Path, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    async with ModelServer(write_what_is_asked) as model:
        variables = {
            **environment,
            "TMPDIR": str(tmp_path / "tmp"),
            "PATH": f"{claude_cli.parent}:{os.environ['PATH']}",
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": claude.KEY,
        }
        ended = await asyncio.to_thread(run, "demo", "--harness", "claude", "--timeout", "120", env=variables)
        assert len(model.requests) == 8
    assert ended.code == 0, ended.out + ended.err
    assert "Write slugs" in ended.out
    assert "Write words" in ended.out
    assert list((tmp_path / "tmp").iterdir()) == []


def test_given_no_claude_code_when_the_demo_wants_it_then_it_says_how_to_get_it(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    path = ":".join(folder for folder in os.environ["PATH"].split(":") if not (Path(folder) / "claude").exists())
    ended = run("demo", "--harness", "claude", env={**environment, "PATH": path})
    assert ended.code == 1
    assert "error: Claude Code cannot be used here" in ended.err
    assert "npm install" in ended.err


async def test_given_claude_code_without_credentials_when_doctor_looks_then_it_says_what_to_set_and_shows_no_key(
    run: Run, environment: dict[str, str], claude_cli: Path
) -> None:
    path = {"PATH": f"{claude_cli.parent}:{os.environ['PATH']}"}
    without = await asyncio.to_thread(run, "doctor", env={**environment, **path})
    assert "agents would have no credentials" in without.out
    assert "CLAUDE_CODE_OAUTH_TOKEN" in without.out
    key = "sk-ant-not-to-be-shown"
    with_key = await asyncio.to_thread(run, "doctor", env={**environment, **path, "ANTHROPIC_API_KEY": key})
    assert "ANTHROPIC_API_KEY is set" in with_key.out
    assert key not in with_key.out + with_key.err
