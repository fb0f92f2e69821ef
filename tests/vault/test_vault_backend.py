"""HashiCorp Vault on loopback: who asks, what comes, what each refusal means."""

import ssl
from pathlib import Path
from typing import Any

import hvac
import pytest

from agent_swarm.testing.secret_services.http import LoopbackServer, Reply, Request
from agent_swarm.testing.secret_services.vault import FakeVault
from agent_swarm.vault.backends.errors import (
    BackendUnavailable,
    BackendUnusable,
    SecretDenied,
    SecretNotFound,
    SecretUnusable,
)
from agent_swarm.vault.backends.references import parse
from agent_swarm.vault.backends.settings import BackendSettings
from agent_swarm.vault.backends.vault_kv import VaultBackend

TOKEN = parse("vault://secret/data/github#token")


class Time:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def backend(vault: FakeVault, **settings: Any) -> VaultBackend:
    chosen = settings or {"vault_token": vault.token("secret/data/")}
    return VaultBackend(BackendSettings(vault_addr=vault.url, **chosen), clock=vault.now)


def read(asked: VaultBackend, text: str = str(TOKEN)) -> str:
    return asked.read(parse(text), seconds=5)


def test_given_the_fake_when_vaults_own_client_uses_it_then_it_finds_a_vault(vault: FakeVault) -> None:
    vault.roles["role"] = "secret-id"
    client = hvac.Client(url=vault.url)
    client.auth.approle.login(role_id="role", secret_id="secret-id")
    kept = client.secrets.kv.v2.read_secret_version("github", raise_on_deleted_version=True)
    assert kept["data"]["data"]["token"] == "second"
    with pytest.raises(hvac.exceptions.InvalidPath):
        client.secrets.kv.v2.read_secret_version("absent", raise_on_deleted_version=True)
    with pytest.raises(hvac.exceptions.Forbidden):
        hvac.Client(url=vault.url, token="hvs.other").secrets.kv.v2.read_secret_version(
            "github", raise_on_deleted_version=True
        )
    vault.is_sealed = True
    with pytest.raises(hvac.exceptions.VaultDown):
        client.secrets.kv.v2.read_secret_version("github", raise_on_deleted_version=True)


def test_given_a_token_when_an_entry_is_read_then_it_is_that_of_the_newest_version(vault: FakeVault) -> None:
    assert read(backend(vault)) == "second"
    assert vault.requests[0].path == "/v1/secret/data/github"


def test_given_an_older_version_when_it_is_named_then_that_one_is_read(vault: FakeVault) -> None:
    assert read(backend(vault), "vault://secret/data/github?version=1#token") == "first"


def test_given_one_entry_when_none_is_named_then_it_is_that_one(vault: FakeVault) -> None:
    assert read(backend(vault), "vault://secret/data/github?version=1") == "first"
    with pytest.raises(SecretUnusable, match="2 entries") as refused:
        read(backend(vault), "vault://secret/data/github")
    assert refused.value.hint == "add #NAME to it; there are: token, user"


def test_given_a_namespace_when_it_is_asked_then_it_is_named_in_every_request(vault: FakeVault) -> None:
    vault.namespace, vault.roles["role"] = "team", "s"
    login = {"vault_role_id": "role", "vault_secret_id": "s"}
    assert read(backend(vault, vault_namespace="team", **login)) == "second"
    assert {request.headers["x-vault-namespace"] for request in vault.requests} == {"team"}
    with pytest.raises(SecretNotFound):
        read(backend(vault, **login))


def test_given_a_token_file_when_it_changes_then_the_new_token_counts(vault: FakeVault, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(vault.token("secret/data/") + "\n")
    asked = backend(vault, vault_token_file=file)
    assert read(asked) == "second"
    vault.revoke_all()
    file.write_text(vault.token("secret/data/"))
    assert read(asked) == "second"
    file.unlink()
    with pytest.raises(BackendUnusable, match="cannot be read: No such file"):
        read(asked)


def test_given_an_approle_when_several_are_read_then_it_logs_in_once_and_anew_before_the_token_lapses() -> None:
    time = Time()
    with FakeVault(now=time, roles={"role": "s"}, lease_seconds=100) as vault:
        vault.put("secret", "github", {"token": "value"})
        asked = backend(vault, vault_role_id="role", vault_secret_id="s")
        assert [read(asked), read(asked)] == ["value", "value"]
        assert vault.logins == 1
        time.seconds += 91
        assert read(asked) == "value"
        assert vault.logins == 2


def test_given_an_approles_token_that_was_revoked_when_a_secret_is_read_then_it_logs_in_once_more(
    vault: FakeVault,
) -> None:
    vault.roles["role"] = "s"
    asked = backend(vault, vault_role_id="role", vault_secret_id="s")
    assert read(asked) == "second"
    vault.revoke_all()
    assert read(asked) == "second"
    assert vault.logins == 2
    vault.role_policies = ("other/",)
    vault.revoke_all()
    with pytest.raises(SecretDenied, match="does not let this server read"):
        read(asked)
    assert vault.logins == 3


def test_given_a_wrong_secret_id_when_it_logs_in_then_the_refusal_names_the_settings_and_not_the_id(
    vault: FakeVault, tmp_path: Path
) -> None:
    (tmp_path / "id").write_text("wrong-secret-id")
    with pytest.raises(SecretDenied, match="AppRole") as refused:
        read(backend(vault, vault_role_id="role", vault_secret_id_file=tmp_path / "id"))
    assert "wrong-secret-id" not in str(vars(refused.value))


def test_given_a_token_that_expired_when_a_secret_is_read_then_it_is_denied() -> None:
    time = Time()
    with FakeVault(now=time) as vault:
        vault.put("secret", "github", {"token": "value"})
        asked = backend(vault, vault_token=vault.token("secret/data/", seconds=60))
        assert read(asked) == "value"
        time.seconds += 60
        with pytest.raises(SecretDenied, match="vault://secret/data/github#token") as refused:
            read(asked)
        assert "expired" in refused.value.hint


@pytest.mark.parametrize("path", ["absent", "github?version=9", "gone"])
def test_given_nothing_there_when_it_is_read_then_it_is_not_found(vault: FakeVault, path: str) -> None:
    vault.put("secret", "gone", {"token": "x"})
    vault.delete("secret", "gone")
    with pytest.raises(SecretNotFound, match="nothing at"):
        read(backend(vault), f"vault://secret/data/{path}#token")


def test_given_an_entry_that_is_missing_when_it_is_read_then_the_others_are_named_without_values(
    vault: FakeVault,
) -> None:
    with pytest.raises(SecretNotFound) as refused:
        read(backend(vault), "vault://secret/data/github#password")
    assert refused.value.hint == "there are: token, user"


def test_given_a_sealed_vault_when_it_is_asked_then_nobody_asks_again_soon(vault: FakeVault) -> None:
    vault.is_sealed = True
    with pytest.raises(BackendUnavailable, match="sealed") as refused:
        read(backend(vault))
    assert refused.value.retry_after is None


@pytest.mark.parametrize(("reply", "retry_after"), [(Reply(429, headers={"Retry-After": "2"}), 2.0), (Reply(500), 0.0)])
def test_given_a_busy_vault_when_it_is_asked_then_it_may_be_asked_again(
    vault: FakeVault, reply: Reply, retry_after: float
) -> None:
    vault.fail_next(reply)
    with pytest.raises(BackendUnavailable) as refused:
        read(backend(vault))
    assert refused.value.retry_after == retry_after


def test_given_a_redirect_when_vault_answers_one_then_the_token_goes_nowhere_else(vault: FakeVault) -> None:
    with Elsewhere() as elsewhere:
        vault.fail_next(Reply(307, headers={"Location": f"{elsewhere.url}/v1/secret/data/github"}))
        with pytest.raises(BackendUnavailable, match="answered 307"):
            read(backend(vault))
        assert not elsewhere.requests


def test_given_a_vault_that_hangs_when_it_is_asked_then_the_time_is_kept(vault: FakeVault) -> None:
    vault.fail_next(Reply(200, hangs=True))
    with pytest.raises(BackendUnavailable, match="did not answer in time"):
        backend(vault).read(TOKEN, seconds=0.2)


@pytest.mark.parametrize("body", [b"<html>a proxy</html>", b"[]", b'{"data": {"data": "text"}}', b'{"data": {}}'])
def test_given_something_else_than_a_vault_when_it_answers_then_it_is_no_secret(vault: FakeVault, body: bytes) -> None:
    vault.fail_next(Reply(200, body))
    with pytest.raises((BackendUnavailable, SecretNotFound)):
        read(backend(vault))


def test_given_an_answer_without_an_end_when_it_is_read_then_it_is_given_up(vault: FakeVault) -> None:
    vault.fail_next(Reply(200, b"x" * 2_000_000))
    with pytest.raises(BackendUnavailable, match="too much"):
        read(backend(vault))


def test_given_nobody_at_the_address_when_it_is_asked_then_it_cannot_be_reached() -> None:
    with FakeVault() as vault:
        asked = backend(vault)
    with pytest.raises(BackendUnavailable, match="cannot be reached: Connection refused"):
        read(asked)


def test_given_no_address_or_nothing_to_show_when_it_is_made_or_asked_then_the_setting_is_named(
    vault: FakeVault,
) -> None:
    with pytest.raises(BackendUnusable) as refused:
        VaultBackend(BackendSettings(vault_token="x"))
    assert refused.value.hint == "set VAULT_ADDR"
    with pytest.raises(BackendUnusable, match="nothing to show to Vault"):
        read(backend(vault, vault_token=""))


def test_given_a_certificate_that_is_not_trusted_when_vault_is_asked_then_no_token_is_sent(tmp_path: Path) -> None:
    with FakeVault() as vault:
        vault.secure(_self_signed(tmp_path))
        trusting = BackendSettings(vault_addr=vault.url, vault_token=vault.token("secret/data/"))
        with pytest.raises(BackendUnavailable, match="certificate is not trusted"):
            VaultBackend(trusting).read(TOKEN, seconds=5)
        assert not vault.requests
        vault.put("secret", "github", {"token": "value"})
        known = BackendSettings(
            vault_addr=vault.url, vault_token=trusting.vault_token, vault_cacert=tmp_path / "certificate.pem"
        )
        assert VaultBackend(known).read(TOKEN, seconds=5) == "value"


class Elsewhere(LoopbackServer):
    """Somebody who should hear nothing."""

    def answer(self, request: Request) -> Reply:
        return Reply(200, {"data": {"data": {"token": "from elsewhere"}}})


def _self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1, in `certificate.pem`."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vault")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
