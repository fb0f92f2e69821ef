"""What a URL of NATS says, and what of it is shown."""

from pathlib import Path

import pytest

from agent_swarm.bus.nats.settings import settings_from
from agent_swarm.bus.nats.streams import notices
from agent_swarm.config import SettingError
from agent_swarm.server.settings import load_settings


def test_given_several_urls_then_servers_and_credentials_are_apart() -> None:
    found = settings_from("nats://me:p%40ss@one, tls://two:5222 ,three,nats://[::1]:4223")

    assert found.servers == ("nats://one:4222", "tls://two:5222", "nats://three:4222", "nats://[::1]:4223")
    assert (found.user, found.password, found.token) == ("me", "p@ss", None)
    assert found.shown == "nats://one:4222,tls://two:5222,nats://three:4222,nats://[::1]:4223"
    assert "p@ss" not in repr(found)


def test_given_one_word_before_the_host_then_it_is_a_token() -> None:
    found = settings_from("nats://a-token@one")

    assert (found.user, found.password, found.token) == (None, None, "a-token")
    assert "a-token" not in f"{found!r}{found.shown}"


@pytest.mark.parametrize(
    "url", ["", " , ", "http://one", "nats://", "nats://one:port", "nats://one:99999", "nats://one/path", "ws://one"]
)
def test_given_what_is_no_url_of_nats_then_it_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL of a NATS server"):
        settings_from(url)


@pytest.mark.parametrize("cluster", ["", "a.b", "a b", "a>", "*", "ü", "x" * 65])
def test_given_a_cluster_id_that_would_be_more_than_one_word_of_a_subject_then_it_is_refused(cluster: str) -> None:
    with pytest.raises(ValueError, match="cluster id"):
        notices(cluster)


def test_given_variables_then_the_server_knows_how_to_reach_nats(tmp_path: Path) -> None:
    environ = {
        "DATA_DIR": str(tmp_path),
        "AGENT_SWARM_NATS_URL": "nats://me:secret@one",
        "AGENT_SWARM_NATS_CREDS": "/etc/nats.creds",
        "AGENT_SWARM_NATS_KEEP_HOURS": "1.5",
        "AGENT_SWARM_NATS_KEEP_BYTES": "1000000",
    }

    loaded = load_settings(environ=environ)

    assert loaded.nats is not None
    assert (loaded.nats.servers, loaded.nats.password) == (("nats://one:4222",), "secret")
    assert (loaded.nats.credentials, loaded.nats.keep_hours) == (Path("/etc/nats.creds"), 1.5)
    assert loaded.nats.keep_bytes == 1_000_000
    assert "secret" not in repr(loaded)
    assert load_settings(environ={"DATA_DIR": str(tmp_path)}).nats is None


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_given_a_url_that_cannot_be_used_then_the_start_says_so_without_showing_it(tmp_path: Path, by: str) -> None:
    environ = {"DATA_DIR": str(tmp_path), **({"AGENT_SWARM_NATS_URL": "http://me:secret@one"} if by != "flag" else {})}
    flags = {"nats_url": "http://me:secret@one"} if by == "flag" else {}

    with pytest.raises(SettingError) as refused:
        load_settings(environ=environ, flags=flags)

    assert "nats://host:port" in refused.value.message
    assert "secret" not in f"{refused.value.message}{refused.value.hint}"


@pytest.mark.parametrize("keep", ["0", "-1", "much"])
def test_given_a_retention_that_is_none_then_it_is_refused(tmp_path: Path, keep: str) -> None:
    with pytest.raises(SettingError, match="AGENT_SWARM_NATS_KEEP_HOURS"):
        load_settings(environ={"DATA_DIR": str(tmp_path), "AGENT_SWARM_NATS_KEEP_HOURS": keep})
