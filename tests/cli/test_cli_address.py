"""Which server, and which key."""

from pathlib import Path

import pytest

from agent_swarm.cli.address import locate
from agent_swarm.cli.failures import CommandFailed


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "api-key").write_text("from-the-file\n")
    return tmp_path


def test_given_nothing_then_the_server_is_the_one_of_this_machine(tmp_path: Path) -> None:
    server = locate(environ={"DATA_DIR": str(tmp_path)})
    assert (server.url, server.key) == ("http://127.0.0.1:3013", "")


@pytest.mark.parametrize(
    ("flag", "environ", "url"),
    [
        ("http://flag:1", {"AGENT_SWARM_URL": "http://ours:2", "MCP_BASE_URL": "http://seed:3"}, "http://flag:1"),
        (None, {"AGENT_SWARM_URL": "http://ours:2", "MCP_BASE_URL": "http://seed:3"}, "http://ours:2"),
        (None, {"AGENT_SWARM_URL": " ", "MCP_BASE_URL": "http://seed:3/"}, "http://seed:3"),
        (None, {"MCP_BASE_URL": "http://seed:3", "SWARM_API_URL": "http://plugin:4"}, "http://seed:3"),
        (None, {"SWARM_API_URL": "http://plugin:4"}, "http://plugin:4"),
    ],
)
def test_given_several_addresses_then_flag_ours_and_seed_win_in_this_order(
    flag: str | None, environ: dict[str, str], url: str
) -> None:
    assert locate(flag, environ).url == url


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"AGENT_SWARM_TOKEN": "run", "API_KEY": "seed", "AGENT_SWARM_API_KEY": "ours"}, "run"),
        ({"API_KEY": "seed", "AGENT_SWARM_API_KEY": "ours"}, "seed"),
        ({"API_KEY": "", "AGENT_SWARM_API_KEY": "ours"}, "ours"),
        ({}, "from-the-file"),
    ],
)
def test_given_several_keys_then_the_environment_wins_over_the_file(
    environ: dict[str, str], key: str, data_dir: Path
) -> None:
    assert locate(environ={**environ, "DATA_DIR": str(data_dir)}).key == key


@pytest.mark.parametrize("url", ["http://swarm.example.com", "https://10.0.0.7:3013"])
def test_given_a_server_elsewhere_then_the_key_file_of_this_machine_is_not_sent_to_it(url: str, data_dir: Path) -> None:
    assert locate(url, {"DATA_DIR": str(data_dir)}).key == ""


@pytest.mark.parametrize("url", ["localhost:3013", "ftp://host", "http://", "http://host:99999", "http://[::1"])
def test_given_an_address_that_is_none_then_it_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(CommandFailed, match="not the address of a server") as refused:
        locate(url, {})
    assert "http://127.0.0.1:3013" in refused.value.hint


def test_given_a_server_then_its_key_does_not_show_when_printed() -> None:
    assert "secret" not in repr(locate(environ={"API_KEY": "secret"}))
