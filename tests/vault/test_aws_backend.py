"""AWS Secrets Manager on loopback, asked by boto3; the fake checks the signatures by itself."""

from typing import Any

import pytest

from agent_swarm.testing.secret_services.aws import FakeAws, throttled, version_id
from agent_swarm.testing.secret_services.http import Reply
from agent_swarm.vault.backends.aws import AwsBackend
from agent_swarm.vault.backends.errors import (
    BackendUnavailable,
    BackendUnusable,
    SecretDenied,
    SecretNotFound,
    SecretUnusable,
)
from agent_swarm.vault.backends.references import parse
from agent_swarm.vault.backends.settings import BackendSettings

pytestmark = pytest.mark.slow  # each reads boto3's description of the service, a third of a second


def read(text: str = "aws-sm://prod/github#token", **settings: Any) -> str:
    return AwsBackend(BackendSettings(**settings)).read(parse(text), seconds=10)


def test_given_credentials_when_a_secret_is_read_then_the_request_is_signed_and_it_is_the_current_one(
    aws: FakeAws,
) -> None:
    assert read() == "second"
    assert read("aws-sm://prod/github") == '{"token": "second"}'
    assert len(aws.requests) == 2


def test_given_an_older_version_when_it_is_named_by_label_or_id_then_that_one_is_read(aws: FakeAws) -> None:
    assert read("aws-sm://prod/github?version=AWSPREVIOUS") == "first"
    assert read(f"aws-sm://prod/github?version={version_id('first')}") == "first"


def test_given_a_binary_secret_when_it_is_text_then_it_is_read_and_else_refused(aws: FakeAws) -> None:
    aws.put("binary", b"value")
    assert read("aws-sm://binary") == "value"
    aws.put("binary", b"\xff")
    with pytest.raises(SecretUnusable, match="UTF-8"):
        read("aws-sm://binary")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AWS_SECRET_ACCESS_KEY", "another-key"), ("AWS_ACCESS_KEY_ID", "AKIAOTHER"), ("AWS_REGION", "us-east-1")],
)
def test_given_a_wrong_key_or_region_when_a_secret_is_read_then_it_is_denied(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SecretDenied, match="does not let this server read aws-sm://prod/github#token") as refused:
        read()
    assert value not in str(vars(refused.value))


def test_given_a_session_that_expired_when_a_secret_is_read_then_it_is_said(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    assert read() == "second"
    aws.expired.add("session")
    with pytest.raises(SecretDenied, match="have expired"):
        read()


def test_given_a_role_without_the_permission_when_a_secret_is_read_then_the_permission_is_named(aws: FakeAws) -> None:
    aws.denied.add("prod/github")
    with pytest.raises(SecretDenied) as refused:
        read()
    assert "secretsmanager:GetSecretValue" in refused.value.hint


def test_given_nothing_there_when_it_is_read_then_it_is_not_found(aws: FakeAws) -> None:
    for text in ("aws-sm://absent", "aws-sm://prod/github?version=CANARY", "aws-sm://prod/github#password"):
        with pytest.raises(SecretNotFound):
            read(text)


def test_given_a_busy_manager_when_it_is_asked_then_the_library_does_not_repeat_and_we_may(aws: FakeAws) -> None:
    aws.fail_next(throttled(**{"Retry-After": "2"}))
    with pytest.raises(BackendUnavailable, match="ThrottlingException") as refused:
        read()
    assert refused.value.retry_after == 2.0
    assert len(aws.requests) == 1
    aws.fail_next(Reply(500, {"__type": "InternalServiceError"}))
    with pytest.raises(BackendUnavailable, match="InternalServiceError"):
        read()


def test_given_a_manager_that_hangs_when_it_is_asked_then_the_time_is_kept(aws: FakeAws) -> None:
    aws.fail_next(Reply(200, hangs=True))
    with pytest.raises(BackendUnavailable, match="ReadTimeoutError"):
        read(timeout_seconds=0.2)


def test_given_no_credentials_or_no_region_when_a_secret_is_read_then_what_to_set_is_said(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(BackendUnusable, match="no credentials for AWS"):
        read()
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(BackendUnusable, match="NoRegionError"):
        read()
