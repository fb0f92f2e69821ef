"""The pool of a host's credentials: shared by its workers, there after a restart, and without a value on disk."""

import multiprocessing
from collections import Counter
from pathlib import Path

import pytest

from agent_swarm.domain.credentials import KINDS
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness import registry
from agent_swarm.harness.base import Grants, Outcome
from agent_swarm.harness.claude.launch import CREDENTIALS
from agent_swarm.worker.credential_book import CredentialBook
from agent_swarm.worker.credentials import CredentialPool
from agent_swarm.worker.lending import Lending, is_refusal, soonest

ONE, TWO, KEY = "sk-ant-oat01-one", "sk-ant-oat01-two", "sk-ant-api03-key"
ENVIRONMENT = {"CLAUDE_CODE_OAUTH_TOKEN": f"{ONE}, {TWO},{ONE}", "ANTHROPIC_API_KEY": KEY, "OTHER": "stays"}
NOW = 1_000_000.0


def refusal(code: str = "rateLimit", retry_at: float | None = NOW + 60) -> Outcome:
    return Outcome(
        ok=False, failure=FailureClass.INFRASTRUCTURE, failure_code=code, message="no more", retry_at=retry_at
    )


def lending(folder: Path, environment: dict[str, str] | None = None) -> Lending:
    return Lending(CredentialPool(folder), environment or ENVIRONMENT, Grants(credentials=CREDENTIALS))


def test_given_several_credentials_when_an_attempt_begins_then_its_agent_gets_one_and_no_other(tmp_path: Path) -> None:
    assert lending(tmp_path).take(now=NOW) == {"CLAUDE_CODE_OAUTH_TOKEN": ONE, "OTHER": "stays"}
    assert lending(tmp_path).take(now=NOW) == {"CLAUDE_CODE_OAUTH_TOKEN": TWO, "OTHER": "stays"}, "another attempt"


def test_given_credentials_that_are_refused_when_an_attempt_goes_on_then_each_is_tried_once_and_then_it_says_until_when(
    tmp_path: Path,
) -> None:
    lent = lending(tmp_path)
    given = []
    for place, outcome in enumerate((refusal(), refusal("authentication"), refusal(retry_at=NOW + 30))):
        env = lent.take(now=NOW)
        assert env is not None
        given.append(next(env[name] for name in CREDENTIALS if name in env))
        said = lent.heard(outcome, now=NOW)
        assert ("claude-1" in said, "claude-2" in said, "anthropic-1" in said) == tuple(n == place for n in range(3))
    assert given == [ONE, TWO, KEY]
    assert lent.take(now=NOW) is None
    ended = lent.nothing_left(outcome, now=NOW)
    assert (ended.failure_code, ended.retry_at) == ("rateLimit", NOW + 30)
    assert "claude-1, claude-2, anthropic-1" in ended.message


def test_given_one_that_rests_when_the_last_one_is_not_accepted_then_the_attempt_waits_for_the_rest_to_end(
    tmp_path: Path,
) -> None:
    lent = lending(tmp_path, {"CLAUDE_CODE_OAUTH_TOKEN": f"{ONE},{TWO}"})
    for outcome in (refusal(), refusal("authentication")):
        lent.take(now=NOW)
        lent.heard(outcome, now=NOW)
    ended = lent.nothing_left(outcome, now=NOW)
    assert (ended.failure_code, ended.retry_at) == ("rateLimit", NOW + 60)


def test_given_credentials_of_which_none_is_accepted_when_the_last_is_refused_then_people_have_to_act(
    tmp_path: Path,
) -> None:
    lent = lending(tmp_path)
    for _ in range(3):
        lent.take(now=NOW)
        lent.heard(refusal("authentication"), now=NOW)
    assert lent.nothing_left(refusal("authentication"), now=NOW).failure_code == "authentication"


def test_given_a_host_where_all_rest_when_another_worker_begins_an_attempt_then_nobody_is_asked(tmp_path: Path) -> None:
    environment = {"CLAUDE_CODE_OAUTH_TOKEN": ONE}
    first = lending(tmp_path, environment)
    first.take(now=NOW)
    first.heard(refusal(), now=NOW)
    second = lending(tmp_path, environment)
    assert second.take(now=NOW + 59) is None
    ended = second.nothing_left(None, now=NOW + 59)
    assert (ended.failure_code, ended.retry_at, "claude-1" in ended.message) == ("rateLimit", NOW + 60, True)
    assert lending(tmp_path, environment).take(now=NOW + 60) is not None


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(ok=True),
        Outcome(ok=False, failure=FailureClass.AGENT, failure_code="rateLimit"),
        refusal("overloaded"),
        refusal("modelError"),
        None,
    ],
)
def test_given_an_end_that_is_not_the_credentials_when_it_is_heard_then_no_other_one_is_tried(
    tmp_path: Path, outcome: Outcome | None
) -> None:
    lent = lending(tmp_path)
    lent.take(now=NOW)
    assert lent.heard(outcome, now=NOW) == ""


def test_given_an_agent_without_credentials_of_ours_when_it_begins_then_it_gets_what_there_is_once(
    tmp_path: Path,
) -> None:
    lent = Lending(CredentialPool(tmp_path), {"OTHER": "stays"}, Grants(credentials=CREDENTIALS))
    assert lent.take(now=NOW) == {"OTHER": "stays"}
    assert lent.heard(refusal(), now=NOW) == ""
    assert lent.take(now=NOW) is None
    assert lent.nothing_left(refusal(), now=NOW) == refusal()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("openai/gpt-5.5:high", [{"OPENAI_API_KEY": "o-1"}, {"OPENAI_API_KEY": "o-2"}]),
        ("openrouter/openai/gpt-5.5", [{"OPENROUTER_API_KEY": "r-1"}, {"OPENROUTER_API_KEY": "r-2"}]),
        (None, [{"OPENAI_API_KEY": "o-1"}, {"OPENAI_API_KEY": "o-2"}]),
        ("whose-is-it", [{"OPENAI_API_KEY": "o-1", "OPENROUTER_API_KEY": "r-1"}]),
    ],
)
@pytest.mark.parametrize("harness", ["pi", "opencode"])
def test_given_a_cli_of_several_providers_when_one_refuses_then_keys_of_its_models_provider_alone_are_tried(
    tmp_path: Path, harness: str, model: str | None, given: list[dict[str, str]]
) -> None:
    environment = {"OPENAI_API_KEY": "o-1,o-2", "OPENROUTER_API_KEY": "r-1, r-2", "OTHER": "stays"}
    lent = Lending(CredentialPool(tmp_path), environment, registry.get(harness).grants, model)
    taken = []
    while (env := lent.take(now=NOW)) is not None:
        taken.append(env)
        lent.heard(refusal(), now=NOW)
    assert taken == [{**one, "OTHER": "stays"} for one in given]


@pytest.mark.parametrize("harness", registry.AGENT_CLIS)
def test_given_any_agent_cli_when_several_keys_are_set_then_an_attempt_gets_one_of_them(
    tmp_path: Path, harness: str
) -> None:
    grants = registry.get(harness).grants
    assert set(grants.credentials) <= set(grants.secrets) & set(KINDS)
    for variable in grants.credentials:
        lent = Lending(CredentialPool(tmp_path / variable), {variable: "one,two"}, grants)
        assert lent.take(now=NOW) == {variable: "one"}
        lent.heard(refusal(), now=NOW)
        assert lent.take(now=NOW) == {variable: "two"}


def test_given_what_is_on_disk_when_it_is_read_then_no_value_is_there_and_nobody_else_may_read_it(
    tmp_path: Path,
) -> None:
    lending(tmp_path).take(now=NOW)
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert not any(value.encode() in path.read_bytes() for value in (ONE, TWO, KEY))
    names = {entry.name for entry in CredentialBook(tmp_path).read().values()}
    assert names == {"claude-1", "claude-2"}
    elsewhere = tmp_path / "another-host"
    assert CredentialBook(tmp_path).fingerprint(ONE) == CredentialBook(tmp_path).fingerprint(ONE)
    assert CredentialBook(elsewhere).fingerprint(ONE) != CredentialBook(tmp_path).fingerprint(ONE)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b"\xff", b'{"a": {"name": "x", "uses": "many"}}'])
def test_given_a_file_that_is_broken_when_work_comes_then_it_is_as_if_nothing_were_known(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "credentials.json").write_bytes(content)
    assert lending(tmp_path).take(now=NOW) is not None
    assert len(CredentialBook(tmp_path).read()) == 2


def take_many(folder: Path, times: int) -> list[str]:
    taken = [lending(folder).take(now=NOW) for _ in range(times)]
    return [env["CLAUDE_CODE_OAUTH_TOKEN"] for env in taken if env is not None]


def test_given_workers_that_take_at_the_same_time_when_all_have_taken_then_none_was_taken_twice_in_a_turn(
    tmp_path: Path,
) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as workers:
        taken = workers.starmap(take_many, [(tmp_path, 25)] * 4)
    assert Counter(one for part in taken for one in part) == {ONE: 50, TWO: 50}
    assert sum(entry.standing.uses for entry in CredentialBook(tmp_path).read().values()) == 100


def test_given_every_agent_cli_is_refused_when_the_attempt_ends_then_it_waits_for_the_first_that_may_again() -> None:
    assert is_refusal(refusal("overloaded"))
    assert not is_refusal(refusal("modelError"))
    assert not is_refusal(Outcome(ok=True))
    assert soonest([refusal(retry_at=NOW + 60), refusal(retry_at=NOW + 30)]).retry_at == NOW + 30
    assert soonest([refusal(retry_at=NOW + 60), refusal("overloaded", None)]).retry_at == NOW + 60
