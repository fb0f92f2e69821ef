"""Google Secret Manager on loopback, asked with the credentials that google-auth finds."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from agent_swarm.testing.secret_services.google import FakeGoogle
from agent_swarm.testing.secret_services.http import Reply
from agent_swarm.vault.backends.errors import (
    BackendUnavailable,
    SecretDenied,
    SecretNotFound,
    SecretUnusable,
)
from agent_swarm.vault.backends.gcp import GoogleBackend
from agent_swarm.vault.backends.references import parse
from agent_swarm.vault.backends.settings import BackendSettings


@pytest.fixture
def backend(google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoogleBackend:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(google.credentials_file(tmp_path)))
    return GoogleBackend(BackendSettings(gcp_endpoint=google.url))


def read(backend: GoogleBackend, text: str) -> str:
    return backend.read(parse(text), seconds=10)


def test_given_a_service_account_when_secrets_are_read_then_one_signed_assertion_does_for_all(
    backend: GoogleBackend, google: FakeGoogle
) -> None:
    assert read(backend, "gcp-sm://my-project/github") == '{"token": "second"}'
    assert read(backend, "gcp-sm://my-project/github#token") == "second"
    assert read(backend, "gcp-sm://my-project/github/1") == "first"
    paths = [request.path for request in google.requests]
    assert paths.count("/token") == 1
    assert paths[-1] == "/v1/projects/my-project/secrets/github/versions/1:access"


def in_a_process_of_its_own(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """google-auth decides where the metadata server is when it is imported."""
    program = (
        "from agent_swarm.vault.backends.reading import read_trusted\n"
        "from agent_swarm.vault.backends.references import parse\n"
        "from agent_swarm.vault.backends.settings import load_backend_settings\n"
        "print(read_trusted(parse('gcp-sm://my-project/github#token'), load_backend_settings()))"
    )
    environ |= {"CLOUDSDK_CONFIG": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    return subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_given_a_machine_of_googles_when_a_secret_is_read_then_the_metadata_server_says_who_asks(
    google: FakeGoogle, tmp_path: Path
) -> None:
    ran = in_a_process_of_its_own(
        tmp_path,
        GCE_METADATA_HOST=google.host,
        GCE_METADATA_IP=google.host,
        AGENT_SWARM_GCP_SECRETS_ENDPOINT=google.url,
    )
    assert ran.stdout == "second\n", ran.stderr
    assert not [request for request in google.requests if request.path == "/token"]


@pytest.mark.slow
def test_given_no_credentials_at_all_when_a_secret_is_read_then_what_to_set_is_said(tmp_path: Path) -> None:
    ran = in_a_process_of_its_own(tmp_path, NO_GCE_CHECK="true")
    assert "BackendUnusable: this server has no credentials for Google" in ran.stderr


def test_given_another_key_than_the_accounts_when_a_token_is_asked_for_then_it_is_denied(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(google.credentials_file(tmp_path, key=other)))
    with pytest.raises(SecretDenied, match="does not accept the credentials"):
        read(GoogleBackend(BackendSettings(gcp_endpoint=google.url)), "gcp-sm://my-project/github")


def test_given_a_token_that_no_longer_counts_when_a_secret_is_read_then_a_new_one_is_asked_for(
    backend: GoogleBackend, google: FakeGoogle
) -> None:
    read(backend, "gcp-sm://my-project/github")
    google.revoke_all()
    assert read(backend, "gcp-sm://my-project/github/1") == "first"
    assert [request.path for request in google.requests].count("/token") == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("gcp-sm://my-project/absent", SecretNotFound),
        ("gcp-sm://my-project/github/9", SecretNotFound),
        ("gcp-sm://my-project/off", SecretNotFound),
        ("gcp-sm://their-project/github", SecretDenied),
        ("gcp-sm://my-project/binary", SecretUnusable),
        ("gcp-sm://my-project/github#password", SecretNotFound),
    ],
)
def test_given_what_google_refuses_when_it_is_read_then_the_refusal_says_what_kind(
    backend: GoogleBackend, google: FakeGoogle, text: str, error: type[Exception]
) -> None:
    google.put("my-project", "off", b"x")
    google.disable("my-project", "off")
    google.put("my-project", "binary", b"\xff\xfe")
    with pytest.raises(error):
        read(backend, text)


def test_given_a_busy_secret_manager_when_it_is_asked_then_it_may_be_asked_again(
    backend: GoogleBackend, google: FakeGoogle
) -> None:
    read(backend, "gcp-sm://my-project/github")
    google.fail_next(Reply(429, {}, {"Retry-After": "3"}), Reply(503, {}))
    with pytest.raises(BackendUnavailable, match="too often") as refused:
        read(backend, "gcp-sm://my-project/github")
    assert refused.value.retry_after == 3.0
    with pytest.raises(BackendUnavailable, match="answered 503"):
        read(backend, "gcp-sm://my-project/github")


def test_given_a_token_endpoint_that_hangs_when_a_secret_is_read_then_the_time_is_kept(
    backend: GoogleBackend, google: FakeGoogle
) -> None:
    google.fail_next(*[Reply(200, hangs=True)] * 9)
    with pytest.raises(BackendUnavailable, match="no token at present"):
        backend.read(parse("gcp-sm://my-project/github"), seconds=0.2)
