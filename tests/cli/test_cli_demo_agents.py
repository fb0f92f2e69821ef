"""The demo with an agent CLI as one of its agents; the model is scripted, everything else is real."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from agent_swarm.testing import agent_cli
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
    match len(request.results):
        case 0 if "Write" in request.tools:
            found = re.search(r"Primary working directory: ([^\\]+)", json.dumps(request.body))
            assert found, "the agent does not tell its model where it is"
            return Call("Write", {"file_path": f"{found[1]}/textkit/{module}.py", "content": code})
        case 0:
            return Call("Bash", {"command": f"cat > textkit/{module}.py <<'END'\n{code}END\n"})
        case 1:
            test = f"{sys.executable} -B -m unittest tests.{tests}"
            return Message([Say("Now its tests."), Call("Bash", {"command": test, "description": "Run the tests"})])
        case 2 if not request.results[-1].is_error:
            commit = f"git add textkit/{module}.py && git commit -q -m 'Write {module}'"
            return Call("Bash", {"command": commit, "description": "Commit"})
    return Say(f"{request.results[-1].text or 'done'}")


@pytest.mark.parametrize("harness", ["claude", "codex"])
async def test_given_an_agent_cli_when_it_writes_in_the_demo_then_every_promise_holds(
    run: Run, environment: dict[str, str], claude_cli: Path, codex_cli: Path, tmp_path: Path, harness: str
) -> None:
    assert claude_cli.parent == codex_cli.parent
    (tmp_path / "tmp").mkdir()
    async with ModelServer(write_what_is_asked) as model:
        variables = {
            **environment,
            "TMPDIR": str(tmp_path / "tmp"),
            "PATH": f"{claude_cli.parent}:{os.environ['PATH']}",
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": claude.KEY,
            **agent_cli.model_at(model.url),
        }
        ended = await asyncio.to_thread(run, "demo", "--harness", harness, "--timeout", "120", env=variables)
        asked = len(model.requests)
    assert ended.code == 0, ended.out + ended.err
    assert asked == 8
    assert "Write slugs" in ended.out
    assert "Write words" in ended.out
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(("harness", "title"), [("claude", "Claude Code"), ("codex", "Codex")])
def test_given_no_agent_cli_when_the_demo_wants_it_then_it_says_how_to_get_it(
    run: Run, environment: dict[str, str], harness: str, title: str
) -> None:
    path = ":".join(folder for folder in os.environ["PATH"].split(":") if not (Path(folder) / harness).exists())
    ended = run("demo", "--harness", harness, env={**environment, "PATH": path})
    assert ended.code == 1
    assert f"error: {title} cannot be used here" in ended.err
    assert "npm install" in ended.err


async def test_given_agent_clis_without_credentials_when_doctor_looks_then_it_says_what_to_set_and_shows_no_key(
    run: Run, environment: dict[str, str], claude_cli: Path, codex_cli: Path
) -> None:
    assert claude_cli.parent == codex_cli.parent
    path = {"PATH": f"{claude_cli.parent}:{os.environ['PATH']}"}
    without = await asyncio.to_thread(run, "doctor", env={**environment, **path})
    names = ("claude", "codex", "copilot", "pi", "opencode", "gemini")
    installed = [name for name in names if (claude_cli.parent / name).exists()]
    assert without.out.count("agents would have no credentials") == len(installed) >= 2
    assert "set OPENAI_API_KEY" in without.out
    assert "CLAUDE_CODE_OAUTH_TOKEN" in without.out
    key = "sk-ant-not-to-be-shown"
    with_key = await asyncio.to_thread(
        run, "doctor", env={**environment, **path, "ANTHROPIC_API_KEY": key, "OPENAI_API_KEY": key}
    )
    assert "ANTHROPIC_API_KEY is set" in with_key.out
    assert "OPENAI_API_KEY is set" in with_key.out
    assert "pi and claude" not in without.out
    assert ("ANTHROPIC_API_KEY is set beside pi's keys, and is not given to pi" in with_key.out) == ("pi" in installed)
    assert key not in with_key.out + with_key.err
