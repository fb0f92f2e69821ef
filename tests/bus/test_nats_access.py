"""Who may use NATS: files with credentials, and TLS, with real servers that insist on them."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import nkeys
import pytest
from tests.bus.nodes import listening

from agent_swarm.bus.nats.link import Link
from agent_swarm.bus.nats.notices import NatsBus
from agent_swarm.bus.nats.settings import settings_from
from agent_swarm.domain.errors import Unavailable
from agent_swarm.testing import nats

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


def key_pair(kind: int) -> Any:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), kind))


def token(signer: Any, subject: str, kind: str, **claims: Any) -> str:
    """A JWT as NATS wants it: `subject` is vouched for by `signer`."""
    body = {
        "jti": os.urandom(8).hex(),
        "iat": int(time.time()),
        "iss": signer.public_key.decode(),
        "sub": subject,
        "name": kind,
        "nats": {"type": kind, "version": 2, **claims},
    }
    parts = [_word(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body)]
    return ".".join([*parts, _word(signer.sign(".".join(parts).encode()))])


def _word(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def credentials_of(account: Any) -> str:
    user = key_pair(nkeys.PREFIX_BYTE_USER)
    jwt = token(account, user.public_key.decode(), "user", subs=-1, data=-1, payload=-1)
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )


def configuration_for(account: Any) -> str:
    """A server whose operator vouches for one account, which has JetStream."""
    operator, system = key_pair(nkeys.PREFIX_BYTE_OPERATOR), key_pair(nkeys.PREFIX_BYTE_ACCOUNT)
    limits = {
        **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf", "streams", "consumer"), -1),
        **dict.fromkeys(("mem_storage", "disk_storage"), -1),
        "wildcards": True,
    }
    accounts = {
        one.public_key.decode(): token(operator, one.public_key.decode(), "account", limits=bounds)
        for one, bounds in ((account, limits), (system, {**limits, "mem_storage": 0, "disk_storage": 0}))
    }
    preloaded = "\n".join(f"  {name}: {jwt}" for name, jwt in accounts.items())
    return (
        f"operator: {token(operator, operator.public_key.decode(), 'operator')}\n"
        f"system_account: {system.public_key.decode()}\n"
        f"resolver: MEMORY\nresolver_preload: {{\n{preloaded}\n}}\n"
    )


async def test_given_a_server_that_trusts_an_operator_then_a_credentials_file_opens_it(
    cluster_id: str, tmp_path: Path
) -> None:
    account = key_pair(nkeys.PREFIX_BYTE_ACCOUNT)
    (tmp_path / "server.conf").write_text(configuration_for(account))
    (tmp_path / "good.creds").write_text(credentials_of(account))
    (tmp_path / "bad.creds").write_text(credentials_of(key_pair(nkeys.PREFIX_BYTE_ACCOUNT)))

    def bus(file: str) -> NatsBus:
        settings = settings_from(started.urls[0], credentials=tmp_path / file)
        return NatsBus(Link(settings, name="one"), cluster=cluster_id, node="one")

    with nats.nodes(1, "-c", str(tmp_path / "server.conf")) as started:
        opened = bus("good.creds")
        await opened.open(lambda notice: None)
        await opened.close()
        with pytest.raises(Unavailable, match="refused the credentials"):
            await bus("bad.creds").open(lambda notice: None)
        with pytest.raises(Unavailable, match=r"none\.creds"):
            await bus("none.creds").open(lambda notice: None)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody trusts yet, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


@pytest.mark.slow
async def test_given_a_server_with_tls_then_it_is_used_where_its_certificate_is_trusted_and_only_there(
    cluster_id: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with nats.nodes(1, "--tls", "--tlscert", str(certificate[0]), "--tlskey", str(certificate[1])) as started:
        address = started.urls[0].replace("nats://", "tls://")
        with pytest.raises(Unavailable, match="no TLS connection"):
            await listening(address, cluster_id, "one")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        ear = await listening(address, cluster_id, "one")
        await ear.bus.close()
