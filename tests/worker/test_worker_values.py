"""The pure parts: claims, environments, transcript lines, endings, settings."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.config import SettingError
from agent_swarm.domain.errors import InvalidInput, SwarmError
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.harness.base import AgentEvent, EventKind, Outcome
from agent_swarm.protocol import limits, pool
from agent_swarm.redaction import Redactor
from agent_swarm.sandbox.errors import SandboxError
from agent_swarm.worker import claims, stops
from agent_swarm.worker.agent import StopSignal
from agent_swarm.worker.capabilities import advertised
from agent_swarm.worker.environment import RunFacts, agent_environment
from agent_swarm.worker.recording import Recorder, fitting, usage_of
from agent_swarm.worker.run import turned_back
from agent_swarm.worker.settings import WorkerSettings, load_settings
from agent_swarm.worker.spool import Kind, Spool, SpoolHead
from agent_swarm.worker.stops import Stop, Whereabouts
from agent_swarm.worker.workspace.errors import BaseNotFound, GitTimedOut, MergeConflict

TASK = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
ME, ANOTHER = "0b5e3c1e-6f0a-4c57-9d5e-2f1a7c3b9e10", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
COMMIT = "a" * 40


def claim(**more: Any) -> pool.Claimed:
    about: dict[str, Any] = {
        "claim_id": TASK,
        "task_id": TASK,
        "attempt": 2,
        "fence": 5,
        "lease_seconds": 30,
        "token": "t" * 20,
    }
    return pool.Claimed(**about, title="t", prompt="p", **more)


def previous(outcome: str, snapshot: str = "", agent_id: str = ME, session: str = "s-1") -> pool.PreviousAttempt:
    return pool.PreviousAttempt(
        number=1, outcome=outcome, agent_id=agent_id, session=session, commit=COMMIT, snapshot=snapshot
    )


def test_given_a_paused_attempt_when_its_agent_claims_the_task_then_it_goes_on_with_work_and_conversation() -> None:
    going_on = claims.going_on(claim(previous=previous("paused", f"refs/swarm/rescue/{TASK}/1")), ME)
    assert going_on is not None
    assert (going_on.attempt, going_on.where.session, going_on.previous().commit) == (1, "s-1", COMMIT)


def test_given_a_paused_attempt_when_another_agent_claims_the_task_then_it_goes_on_without_the_conversation() -> None:
    going_on = claims.going_on(claim(previous=previous("paused")), ANOTHER)
    assert going_on is not None and going_on.where.session == ""


@pytest.mark.parametrize("outcome", ["failed", "lost", "released", "cancelled"])
def test_given_an_attempt_that_did_not_pause_when_the_task_is_claimed_then_it_starts_afresh(outcome: str) -> None:
    assert claims.going_on(claim(previous=previous(outcome, f"refs/swarm/rescue/{TASK}/1")), ME) is None
    assert claims.going_on(claim(), ME) is None


def test_given_an_attempt_that_could_not_take_up_paused_work_when_it_failed_then_the_next_one_takes_it_up() -> None:
    handed_on = pool.PreviousAttempt(
        number=3, outcome="failed", agent_id=ME, commit=COMMIT, snapshot=f"refs/swarm/rescue/{TASK}/1"
    )
    going_on = claims.going_on(claim(previous=handed_on), ME)
    assert going_on is not None and going_on.attempt == 1


@pytest.mark.parametrize("reason", [Stop.SHUTDOWN, Stop.PAUSE])
def test_given_a_claim_that_goes_on_when_it_is_turned_back_then_the_work_is_handed_on(reason: Stop) -> None:
    ending = turned_back(claim(previous=previous("paused", f"refs/swarm/rescue/{TASK}/1")), ME, reason)
    assert ending.kind is Kind.PAUSE
    assert ending.body["snapshot"] == f"refs/swarm/rescue/{TASK}/1"
    expected = PauseReason.PERSON if reason is Stop.PAUSE else PauseReason.SHUTDOWN
    assert ending.body["reason"] == expected


def test_given_a_fresh_claim_when_it_is_turned_back_at_a_shutdown_then_it_is_released() -> None:
    assert turned_back(claim(), ME, Stop.SHUTDOWN).kind is Kind.RELEASE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/a/b.git", "https://x-access-token:ghp_x@github.com/a/b.git"),
        ("https://me:own@github.com/a/b.git", "https://me:own@github.com/a/b.git"),
        ("https://github.com.evil.example/a/b", "https://github.com.evil.example/a/b"),
        ("http://github.com/a/b", "http://github.com/a/b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
    ],
)
def test_given_a_github_token_when_a_project_is_opened_then_only_github_over_https_gets_it(
    url: str, expected: str
) -> None:
    project = claims.project_of(claim(project=pool.Project(id=TASK, name="b", repo_url=url)), "ghp_x")
    assert project is not None and project.url == expected


FACTS = RunFacts(
    agent_id=ME,
    task_id=TASK,
    attempt=2,
    token="the-attempt-token",
    workspace=Path("/w"),
    tmp=Path("/t"),
    shared_dir=Path("/s"),
    personal_dir=Path("/p"),
    dependencies=None,
)


def test_given_a_worker_environment_when_the_agents_is_built_then_only_what_is_named_gets_in() -> None:
    worker = {
        "PATH": "/bin",
        "HOME": "/h",
        "LC_ALL": "C",
        "TERM": "xterm",
        "SSH_AUTH_SOCK": "/x",
        "ANTHROPIC_API_KEY": "k",
    }
    env = agent_environment(WorkerSettings(api_key="secret-key"), FACTS, worker=worker, git={"GIT_AUTHOR_NAME": "ada"})
    ours = {name for name in env if name.startswith("AGENT_SWARM_")}
    assert set(env) - ours == {"PATH", "HOME", "LC_ALL", "TMPDIR", "WORKSPACE", "GIT_AUTHOR_NAME"}
    assert ours == {
        "AGENT_SWARM_URL",
        "AGENT_SWARM_TOKEN",
        "AGENT_SWARM_TASK_ID",
        "AGENT_SWARM_ATTEMPT",
        "AGENT_SWARM_AGENT_ID",
        "AGENT_SWARM_SHARED_DIR",
        "AGENT_SWARM_PERSONAL_DIR",
    }


def test_given_a_list_of_variables_to_pass_when_it_names_the_key_or_copies_of_it_then_these_stay_out() -> None:
    worker = {"API_KEY": "secret-key", "agent_swarm_api_key": "x", "COPY": "Bearer secret-key", "MODEL_KEY": "fine"}
    settings = WorkerSettings(api_key="secret-key", pass_env=tuple(worker))
    env = agent_environment(settings, FACTS, worker=worker, git={})
    assert env["MODEL_KEY"] == "fine"
    assert not {"API_KEY", "agent_swarm_api_key", "COPY"} & set(env)


def test_given_variables_to_pass_when_they_have_names_of_the_run_then_the_runs_own_win() -> None:
    settings = WorkerSettings(api_key="secret-key", pass_env=("AGENT_SWARM_TOKEN",))
    env = agent_environment(settings, FACTS, worker={"AGENT_SWARM_TOKEN": "other"}, git={})
    assert env["AGENT_SWARM_TOKEN"] == "the-attempt-token"


@given(
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(max_size=300),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=5), x),
    )
)
def test_given_any_data_when_it_is_made_to_fit_then_it_is_json_within_the_limit(data: Any) -> None:
    assert (
        len(json.dumps(fitting(data), allow_nan=False).encode("utf-8", "replace")) <= 6 * limits.TRANSCRIPT_LINE_BYTES
    )
    assert len(json.dumps(fitting(data), ensure_ascii=False).encode("utf-8", "replace")) <= limits.TRANSCRIPT_LINE_BYTES


@pytest.mark.parametrize(
    "data",
    [
        {"text": "x" * 5_000_000},
        {"many": ["y" * 50_000] * 100},
        {"pieces": list(range(200_000))},
        {"text": "ä" * 300_000},
    ],
    ids=["one long text", "many long texts", "too many pieces", "wide characters"],
)
def test_given_too_much_data_when_it_is_made_to_fit_then_it_is_cut_and_says_so(data: Any) -> None:
    fitted = fitting(data)
    assert len(json.dumps(fitted, ensure_ascii=False).encode()) <= limits.TRANSCRIPT_LINE_BYTES
    assert "cut" in json.dumps(fitted)


def test_given_data_nested_without_end_when_it_is_made_to_fit_then_it_ends_somewhere() -> None:
    data: list[object] = []
    for _ in range(100_000):
        data = [data]
    assert "nested too deeply" in json.dumps(fitting(data), ensure_ascii=False)


@given(
    st.dictionaries(
        st.sampled_from(["inputTokens", "outputTokens", "costUsd", "model"]),
        st.integers() | st.floats() | st.text() | st.booleans(),
    )
)
def test_given_any_usage_when_it_is_read_then_the_protocol_takes_it(data: Any) -> None:
    pool.Usage(task_id=TASK, fence=1, attempt=1, seq=0, **usage_of(data))


@pytest.mark.anyio
async def test_given_a_secret_spread_over_texts_when_recorded_then_it_does_not_reach_the_spool(tmp_path: Path) -> None:
    secret = "hunter2-and-3-for-me-42"
    redactor = Redactor([secret])
    spool = Spool.create(tmp_path, SpoolHead(task_id=TASK, attempt=1, fence=1), redactor.value)
    record = Recorder(spool, redactor, at=lambda: "now")
    for piece in ("the key is hunter2-and", "-3-for-me", "-42, I think"):
        await record(AgentEvent(EventKind.TEXT, {"text": piece}))
    await record(AgentEvent(EventKind.LOG, {"stream": "stderr", "text": f"key={secret}"}))
    await record(AgentEvent(EventKind.ENDED, {"exit": "exit code 0"}))
    texts = [one.body["data"].get("text") for one in spool.records()]
    assert texts == ["the key is ", "[redacted], I think", "key=[redacted]", None]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (MergeConflict(task_id=TASK, title="t", merged_before=(), files=("f",)), FailureClass.POLICY),
        (BaseNotFound("no such branch"), FailureClass.POLICY),
        (GitTimedOut("push", said="late", stderr="", exit_code=None), FailureClass.INFRASTRUCTURE),
        (SandboxError("no room"), FailureClass.INFRASTRUCTURE),
        (InvalidInput("not a URL"), FailureClass.POLICY),
    ],
    ids=lambda value: getattr(value, "code", value),
)
def test_given_trouble_when_the_attempt_fails_then_the_right_side_is_blamed(
    error: SwarmError, failure: FailureClass
) -> None:
    ending = stops.trouble(error, Whereabouts())
    assert (ending.body["failure"], ending.body["code"]) == (failure, error.code)


def test_given_a_very_long_result_when_it_is_told_then_its_beginning_and_end_are_kept() -> None:
    ending = stops.complete(Outcome(ok=True, result="begin" + "x" * 500_000 + "end"), Whereabouts())
    text = ending.body["text"]
    assert len(text) <= limits.RESULT_CHARS and text.startswith("begin") and text.endswith("end")


def test_given_a_structured_result_that_is_too_large_when_it_is_told_then_the_attempt_fails() -> None:
    ending = stops.complete(Outcome(ok=True, data={"x": "y" * 2_000_000}), Whereabouts())
    assert (ending.kind, ending.body["code"]) == (Kind.FAIL, "resultTooLarge")


@given(st.lists(st.sampled_from(Stop), min_size=1))
def test_given_several_reasons_to_stop_when_one_weighs_most_then_it_stands(reasons: list[Stop]) -> None:
    signal = StopSignal()
    for reason in reasons:
        signal.give(reason)
    assert signal.reason == max(reasons)


def test_given_the_variables_of_the_deployment_guide_when_loaded_then_they_are_understood() -> None:
    environ = {
        "API_KEY": "k",
        "AGENT_ID": ME.upper(),
        "AGENT_ROLE": "lead",
        "TEMPLATE_ID": "official/lead",
        "MCP_BASE_URL": "http://api:3013/",
        "SHUTDOWN_TIMEOUT": "1500",
        "MAX_CONCURRENT_TASKS": "3",
        "AGENT_SWARM_TAGS": "repo:acme, fast",
        "AGENT_SWARM_MAX_OFFLINE": "",
    }
    settings = load_settings(environ=environ)
    assert (settings.agent_id, settings.agent_role, settings.slots) == (ME, "lead", 3)
    assert settings.server_url == "http://api:3013"
    assert settings.shutdown_timeout == timedelta(seconds=1.5)
    assert settings.max_offline == timedelta(hours=1)
    assert settings.tags == ("repo:acme", "fast")
    assert "api_key" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENT_ID", "worker-1"),
        ("AGENT_ROLE", "boss"),
        ("MCP_BASE_URL", "api:3013"),
        ("MCP_BASE_URL", "http://api:port"),
        ("SHUTDOWN_TIMEOUT", "30s"),
        ("MAX_CONCURRENT_TASKS", "0"),
        ("PORT", "70000"),
    ],
)
def test_given_a_variable_that_makes_no_sense_when_loaded_then_the_message_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        load_settings(environ={"API_KEY": "k", name: value})


def test_given_no_key_when_the_server_is_elsewhere_then_the_message_says_what_to_set() -> None:
    with pytest.raises(SettingError, match="API_KEY is not set"):
        load_settings(environ={"MCP_BASE_URL": "http://api:3013"})


def test_given_a_host_when_capabilities_are_advertised_then_they_say_what_works_here() -> None:
    settings = WorkerSettings(capabilities=("gpu.h100", "role.worker"))
    found = advertised(settings, harnesses=("noop", "shell"), sandboxes=("process",))
    assert found[:4] == ("role.worker", "harness.noop", "harness.shell", "sandbox.process")
    assert found[4].startswith("host.") and found[5:] == ("queue.landing", "gpu.h100")
