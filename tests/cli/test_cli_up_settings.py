"""What `up` makes of its flags and variables, before anything runs."""

import socket
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.swarm_processes import Swarm, drain_seconds, free_port, stages
from agent_swarm.cli.up import other_terminals_need


def swarm(data_dir: Path, **changes: Any) -> Swarm:
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 3013,
        "data_dir": data_dir,
        "api_key": "the-key",
        "workers": 2,
        "slots": 3,
        "has_lead": True,
        "harness": "script",
        "workers_dir": data_dir / "workers",
        "environ": {"PATH": "/bin", "PORT": "4000", "AGENT_ID": "mine", "AGENT_SWARM_TOKEN": "t", "API_KEY": "old"},
    }
    return Swarm(**{**given, **changes})


def test_given_a_swarm_then_the_agents_share_address_and_key_and_nothing_personal(tmp_path: Path) -> None:
    agents = stages(swarm(tmp_path))[1].children()
    assert [agent.name for agent in agents] == ["lead", "worker-1", "worker-2"]
    assert [agent.argv[-1] for agent in agents] == ["lead", "worker", "worker"]
    for agent in agents:
        assert agent.env["MCP_BASE_URL"] == "http://127.0.0.1:3013"
        assert agent.env["API_KEY"] == "the-key"
        assert agent.env["AGENT_NAME"] == agent.name
        assert agent.env["MAX_CONCURRENT_TASKS"] == "3"
        assert agent.env["HARNESS_PROVIDER"] == "script"
        assert agent.env["AGENT_SWARM_WORKER_DIR"] == str(tmp_path / "workers")
        assert not {"PORT", "AGENT_SWARM_TOKEN", "AGENT_SWARM_URL"} & set(agent.env)
    assert len({agent.env["AGENT_ID"] for agent in agents}) == 3


def test_given_nats_then_the_server_knows_of_it_and_no_agent_does(tmp_path: Path) -> None:
    variables = {"AGENT_SWARM_NATS_URL": "nats://me:secret@one", "AGENT_SWARM_NATS_CREDS": "/etc/nats.creds"}
    server, agents = stages(swarm(tmp_path, environ={"PATH": "/bin", **variables}))

    (process,) = server.children()
    assert variables.items() <= process.env.items()
    assert "secret" not in " ".join(process.argv)
    assert not any(variables.keys() & agent.env.keys() for agent in agents.children())


def test_given_a_server_that_made_its_own_key_then_the_agents_get_that(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("made\n")
    assert {agent.env["API_KEY"] for agent in stages(swarm(tmp_path, api_key=""))[1].children()} == {"made"}


def test_given_no_lead_then_there_is_none(tmp_path: Path) -> None:
    assert swarm(tmp_path, has_lead=False, workers=1).agents == ["worker-1"]


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:3013"), ("::", "http://[::1]:3013"), ("10.0.0.7", "http://10.0.0.7:3013")],
)
def test_given_an_address_to_listen_on_then_the_agents_dial_one_that_can_be_dialled(
    host: str, url: str, tmp_path: Path
) -> None:
    assert swarm(tmp_path, host=host).url == url


def test_given_unusual_places_then_other_terminals_are_told_but_never_the_key(tmp_path: Path) -> None:
    assert other_terminals_need(swarm(tmp_path, port=4000)) == "AGENT_SWARM_URL=http://127.0.0.1:4000 API_KEY=…"
    assert other_terminals_need(swarm(tmp_path, api_key="")) == f"DATA_DIR={tmp_path}"


@pytest.mark.parametrize(("text", "seconds"), [("2000", 2.0), ("", 30.0), ("soon", 30.0)])
def test_given_a_shutdown_timeout_then_children_get_that_much_time(text: str, seconds: float) -> None:
    assert drain_seconds({"SHUTDOWN_TIMEOUT": text}) == seconds


def test_given_port_0_then_a_free_one_is_found_and_a_taken_one_is_refused() -> None:
    port = free_port("127.0.0.1", 0)
    assert port > 0
    with socket.create_server(("127.0.0.1", port)), pytest.raises(CommandFailed, match=f"cannot listen on .*:{port}"):
        free_port("127.0.0.1", port)


def test_given_a_port_that_is_taken_then_up_exits_1_before_it_starts_anything(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("up", "--data-dir", str(tmp_path / "swarm"), env={"PORT": str(taken.getsockname()[1])})
    assert ended.code == 1
    assert "Address already in use" in ended.err
    assert not (tmp_path / "swarm").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(("--workers", "-1"), "--workers"), (("--slots", "0"), "--slots"), (("--port", "70000"), "--port")],
)
def test_given_a_flag_out_of_range_then_up_exits_2(arguments: tuple[str, ...], complaint: str, run: Run) -> None:
    ended = run("up", *arguments)
    assert ended.code == 2
    assert complaint in ended.err
