"""Fakes of secret managers, and the settings that lead to them."""

import os
from collections.abc import Iterator

import pytest

from agent_swarm.testing.secret_services.aws import FakeAws
from agent_swarm.testing.secret_services.google import FakeGoogle
from agent_swarm.testing.secret_services.vault import FakeVault


@pytest.fixture(autouse=True)
def nothing_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, proxies or addresses of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "GCE_", "VAULT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    with FakeVault() as fake:
        fake.put("secret", "github", {"token": "first"})
        fake.put("secret", "github", {"token": "second", "user": "swarm"})
        yield fake


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with FakeGoogle() as fake:
        fake.put("my-project", "github", b"first")
        fake.put("my-project", "github", b'{"token": "second"}')
        yield fake


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeAws]:
    """It, with boto3 led to it by the variables that lead boto3 to a private endpoint."""
    with FakeAws() as fake:
        fake.put("prod/github", "first")
        fake.put("prod/github", '{"token": "second"}')
        nowhere = str(tmp_path_factory.mktemp("aws") / "none")
        for name, value in {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": fake.url,
            "AWS_REGION": fake.region,
            "AWS_ACCESS_KEY_ID": "AKIASWARM",
            "AWS_SECRET_ACCESS_KEY": fake.keys["AKIASWARM"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        }.items():
            monkeypatch.setenv(name, value)
        yield fake
