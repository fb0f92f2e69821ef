"""What stored configuration gives to an attempt reaches its agent, and nothing else."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.worker.crew import MakeSettings, StartWorker

from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.harness.codex import CodexHarness
from agent_swarm.protocol import pool
from agent_swarm.redaction import MARK
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.worker.environment import RunFacts, agent_environment

SECRET = "hunter2-hunter2-hunter2"
VARIABLES = (
    {"name": "TOKEN", "value": SECRET, "is_secret": True},
    {"name": "MODE", "value": "for everybody", "is_secret": False},
)


def below(folder: Path) -> bytes:
    """What stands in all files of a folder; the worker may be emptying its trash meanwhile."""
    found = b""
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                found += Path(place, name).read_bytes()
    return found


@pytest.mark.anyio
async def test_given_a_secret_for_an_attempt_when_the_agent_uses_and_says_it_then_it_worked_and_shows_nowhere(
    start_worker: StartWorker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with FakePool() as server, start_worker(server.url):
        prompt = f'test ${{#TOKEN}} = {len(SECRET)} && echo "$MODE: $TOKEN"'
        task_id = server.add_task(prompt, environment=VARIABLES)
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        assert task.result is not None
        assert task.result.text == f"for everybody: {MARK}"
        assert SECRET not in repr(task.attempt.lines)
        assert SECRET.encode() not in below(tmp_path)
        for environment in ((), (VARIABLES[1],)):  # it was for that one attempt: the next ones get what they are given
            next_id = server.add_task('test -z "$TOKEN" && echo "$MODE: nothing"', environment=environment)
            after = await server.until_status(next_id, TaskStatus.COMPLETED)
            assert after.result is not None
            assert after.result.text == ("for everybody: nothing" if environment else ": nothing")
    captured = capfd.readouterr()
    assert SECRET not in captured.out + captured.err


def environment(
    settings: MakeSettings, tmp_path: Path, stored: dict[str, str], granted: tuple[str, ...] = (), **more: Any
) -> dict[str, str]:
    facts = RunFacts(
        agent_id="a",
        task_id="t",
        attempt=1,
        token="the token",
        workspace=tmp_path,
        tmp=tmp_path,
        shared_dir=tmp_path,
        personal_dir=tmp_path,
        dependencies=None,
    )
    made = settings(api_key="the-server-key", **more)
    worker = {"PATH": "/usr/bin", "PASSED": "of the worker"}
    return agent_environment(made, facts, worker=worker, git={"GIT_X": "git's"}, granted=granted, stored=stored)


def test_given_stored_variables_when_others_have_their_names_then_those_of_the_run_and_the_worker_win(
    settings: MakeSettings, tmp_path: Path
) -> None:
    stored = {"PATH": "bad", "PASSED": "stored", "GIT_X": "bad", "AGENT_SWARM_TOKEN": "bad", "MINE": "stored"}
    found = environment(settings, tmp_path, stored, pass_env=("PASSED",))
    assert [found[name] for name in stored] == ["/usr/bin", "of the worker", "git's", "the token", "stored"]


def test_given_credentials_of_agent_clis_that_are_stored_when_an_agent_is_of_another_then_it_does_not_get_them(
    settings: MakeSettings, tmp_path: Path
) -> None:
    stored = {"CLAUDE_CODE_OAUTH_TOKEN": "one,two", "OPENAI_API_KEY": "key", "CODEX_OAUTH": "a:t", "MINE": "stored"}
    of_codex = environment(settings, tmp_path, stored, granted=CodexHarness().grants.variables)
    assert {name for name in stored if name in of_codex} == {"OPENAI_API_KEY", "CODEX_OAUTH", "MINE"}
    of_shell = environment(settings, tmp_path, stored)
    assert {name for name in stored if name in of_shell} == {"MINE"}
    listed = environment(settings, tmp_path, stored, pass_env=("OPENAI_API_KEY",))
    assert {name for name in stored if name in listed} == {"OPENAI_API_KEY", "MINE"}, "for the operator to say"


@pytest.mark.parametrize("name", ["SECRETS_ENCRYPTION_KEY", "secrets_encryption_key_file", "API_KEY"])
def test_given_the_name_of_a_key_of_the_server_when_it_is_stored_or_passed_on_then_it_does_not_get_in(
    settings: MakeSettings, tmp_path: Path, name: str
) -> None:
    found = environment(settings, tmp_path, {name: "x", "OTHER": "has the-server-key in it"})
    assert not {name, "OTHER"} & set(found)


def test_given_a_claim_when_it_is_shown_then_its_environment_is_not() -> None:
    assert SECRET not in repr(pool.Variable(name="TOKEN", value=SECRET))
