"""How a server starts, says where it is, refuses to start, and stops."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from tests.server.world import settled

from agent_swarm.config import SettingError
from agent_swarm.server.api_key import find_api_key
from agent_swarm.server.datadir import locked
from agent_swarm.server.front import Front
from agent_swarm.server.listening import listen
from agent_swarm.server.settings import ServerSettings, is_loopback, load_settings
from agent_swarm.server.stopping import Stopping

pytestmark = pytest.mark.anyio

PROGRAM = """
import sys
from agent_swarm.server.main import run_server
from agent_swarm.server.settings import load_settings
sys.exit(run_server(load_settings()))
"""


def settings(folder: Path, **options: object) -> ServerSettings:
    return ServerSettings(data_dir=folder, **options)  # type: ignore[arg-type]


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return {**kept, "DATA_DIR": str(folder), "PORT": "0", **more}


@asynccontextmanager
async def process(folder: Path, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server in a process of its own."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        env=environment(folder, **env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield server
    finally:
        if server.returncode is None:
            server.kill()
        await server.communicate()


async def address_told_by(server: asyncio.subprocess.Process) -> str:
    assert server.stdout is not None
    line = (await server.stdout.readline()).decode()
    assert line.startswith("Agent Swarm "), line + (await server.stderr.read()).decode() if server.stderr else line
    return line.split("API: ")[1].split()[0]


async def refusal_of(server: asyncio.subprocess.Process) -> str:
    """The one line that a server which does not start says."""
    output, errors = await server.communicate()
    assert output == b""
    assert server.returncode == 1
    lines = errors.decode().splitlines()
    assert len(lines) == 1, errors.decode()
    return lines[0]


async def test_given_a_fresh_machine_when_the_server_runs_then_it_makes_its_key_works_and_ends_well(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    async with process(folder) as server:
        url = await address_told_by(server)
        key = (folder / "api-key").read_text().strip()
        async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}) as client:
            assert (await client.get("/ready")).status_code == 200
            task = (await client.post("/api/tasks", json={"prompt": "remember me"})).json()
            held = asyncio.create_task(client.get("/api/events", headers={"accept": "text/event-stream"}, timeout=20))
            await asyncio.sleep(0)
            server.send_signal(signal.SIGTERM)
            assert (await held).status_code == 200
        output, errors = await server.communicate()

    assert server.returncode == 0
    assert output == b""  # the address was the only line
    assert key not in errors.decode()
    assert "remember me" not in errors.decode()
    assert [json.loads(line)["event"] for line in errors.splitlines()] == [
        "encryption_key_made",
        "started",
        "stopped",
    ]
    assert stat.S_IMODE((folder / "api-key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    async with process(folder) as server:
        url = await address_told_by(server)
        async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}) as client:
            assert (await client.get(f"/api/tasks/{task['id']}")).json()["prompt"] == "remember me"
        server.send_signal(signal.SIGINT)
        await server.communicate()
    assert server.returncode == 0


@pytest.mark.slow
async def test_given_the_most_talkative_log_when_secrets_and_prompts_are_sent_then_none_is_logged(
    tmp_path: Path,
) -> None:
    canary = "swordfish-canary"
    async with process(tmp_path, API_KEY=f"key-{canary}", AGENT_SWARM_LOG_LEVEL="debug") as server:
        url = await address_told_by(server)
        headers = {"authorization": f"Bearer key-{canary}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
            for answer in (
                await client.post("/api/tasks", json={"prompt": canary, "title": canary}),
                await client.post("/api/tasks", json={"prompt": "p", canary: canary}),
                await client.post("/api/tasks", content=canary.encode()),
                await client.get(f"/api/tasks?cursor={canary}"),
                await client.get(f"/{canary}?token={canary}", headers={"cookie": canary, "user-agent": canary}),
                await client.get("/api/agents", headers={"authorization": f"Bearer asw_agent_00_{canary}"}),
            ):
                assert answer.status_code in (201, 400, 401, 404, 422)
        server.send_signal(signal.SIGTERM)
        output, errors = await server.communicate()

    assert errors.count(b'"request"') == 6
    assert canary.encode() not in output + errors


def test_given_the_entry_of_the_server_when_it_is_imported_then_the_frameworks_are_not() -> None:
    program = "import sys, agent_swarm.server.main; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert not {"fastapi", "sqlalchemy", "alembic", "structlog", "pydantic"} & set(run.stdout.split())


@pytest.mark.slow
async def test_given_another_api_key_when_the_server_starts_again_then_only_the_new_one_counts(tmp_path: Path) -> None:
    for key, other in (("first-key-of-all", "second-key-of-all"), ("second-key-of-all", "first-key-of-all")):
        async with process(tmp_path, API_KEY=key) as server:
            url = await address_told_by(server)
            async with httpx2.AsyncClient(base_url=url) as client:
                for sent, status in ((key, 200), (other, 401)):
                    answer = await client.get("/api/agents", headers={"authorization": f"Bearer {sent}"})
                    assert answer.status_code == status
            server.send_signal(signal.SIGTERM)
            await server.communicate()
    assert not (tmp_path / "api-key").exists()


async def test_given_a_taken_port_when_the_server_starts_then_it_says_so_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with process(tmp_path, PORT=port) as server:
            line = await refusal_of(server)

    assert port in line
    assert "--port" in line


async def test_given_a_locked_data_directory_when_the_server_starts_then_it_says_who_has_it(tmp_path: Path) -> None:
    with locked(tmp_path):
        async with process(tmp_path) as server:
            line = await refusal_of(server)

    assert str(os.getpid()) in line
    assert "--data-dir" in line


async def test_given_a_data_directory_that_cannot_be_when_the_server_starts_then_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with process(tmp_path / "file" / "data") as server:
        assert "DATA_DIR" in await refusal_of(server)


async def test_given_a_database_that_is_none_when_the_server_starts_then_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "agent-swarm-db.sqlite").write_text(
        "this is no database, but it is long enough to look like one\n" * 99
    )
    async with process(tmp_path) as server:
        assert "agent-swarm-db.sqlite" in await refusal_of(server)


async def test_given_other_machines_when_there_is_no_key_then_the_server_does_not_start(tmp_path: Path) -> None:
    async with process(tmp_path, HOST="0.0.0.0") as server:
        line = await refusal_of(server)

    assert "API_KEY" in line
    assert not (tmp_path / "api-key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_given_a_key_file_that_others_can_read_when_it_is_looked_for_then_it_is_refused(
    tmp_path: Path, mode: int
) -> None:
    find_api_key(settings(tmp_path))
    (tmp_path / "api-key").chmod(mode)

    with pytest.raises(SettingError, match="can be read by others") as refused:
        find_api_key(settings(tmp_path))
    assert "chmod 600" in refused.value.hint


def test_given_no_key_when_it_is_looked_for_twice_then_it_is_made_once_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = find_api_key(settings(tmp_path))
    finally:
        os.umask(before)

    assert find_api_key(settings(tmp_path)) == key
    assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["api-key"]


def test_given_a_key_file_that_is_empty_or_a_link_when_it_is_looked_for_then_it_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "api-key").touch(0o600)
    with pytest.raises(SettingError, match="is empty"):
        find_api_key(settings(tmp_path))
    (tmp_path / "api-key").unlink()
    (tmp_path / "elsewhere").write_text("a-key-somebody-planted")
    (tmp_path / "api-key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingError, match="cannot read"):
        find_api_key(settings(tmp_path))


def test_given_a_key_in_the_environment_when_it_is_looked_for_then_no_file_is_made(tmp_path: Path) -> None:
    found = load_settings(environ={"DATA_DIR": str(tmp_path), "AGENT_SWARM_API_KEY": "from-the-environment"})

    assert find_api_key(found) == "from-the-environment"
    assert "from-the-environment" not in repr(found)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.2", "myhost", "")),
    ],
)
def test_given_a_host_when_it_is_judged_then_only_this_machines_own_is_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_given_sources_of_settings_when_they_are_read_then_the_later_one_wins(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[server]\nport = 1\nlog_level = "debug"\nsynchronous = "normal"\n')
    environ = {"DATA_DIR": str(tmp_path), "PORT": "2", "HOST": " ", "AGENT_SWARM_LOG_LEVEL": "ERROR"}

    found = load_settings(environ=environ, flags={"port": 3, "host": None})

    assert (found.port, found.log_level, found.synchronous, found.host) == (3, "error", "normal", "127.0.0.1")


@pytest.mark.parametrize(
    "environ", [{"PORT": "70000"}, {"PORT": "x"}, {"AGENT_SWARM_SYNCHRONOUS": "off"}, {"AGENT_SWARM_LOG_LEVEL": "loud"}]
)
def test_given_a_setting_that_is_none_when_it_is_read_then_its_name_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(SettingError, match=next(iter(environ))):
        load_settings(environ=environ)


def test_given_a_data_directory_in_its_own_file_when_settings_are_read_then_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[server]\ndata_dir = "/elsewhere"\n')

    with pytest.raises(SettingError, match="data_dir"):
        load_settings(environ={"DATA_DIR": str(tmp_path)})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_given_port_zero_when_it_is_listened_on_then_the_system_chooses(host: str) -> None:
    with listen(host, 0) as bound:
        assert bound.getsockname()[0] == "127.0.0.1"
        assert bound.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
def test_given_an_address_of_somebody_else_when_it_is_listened_on_then_it_is_refused(host: str) -> None:
    with pytest.raises(SettingError, match="cannot listen"):
        listen(host, 0)


async def test_given_a_server_that_is_starting_when_it_is_asked_then_it_lives_is_not_ready_and_holds_the_rest() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    front = Front(Stopping())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=front), base_url="http://test") as client:
        health, ready = await client.get("/health"), await client.get("/ready")
        held = asyncio.create_task(client.get("/api/tasks"))
        await settled()
        assert not held.done()
        front.open(app)

        assert (health.status_code, ready.status_code) == (200, 503)
        assert (ready.json()["error"]["code"], ready.headers["retry-after"]) == ("unavailable", "1")
        assert (await held).status_code == 204
        assert (await client.get("/ready")).status_code == 204


async def test_given_a_server_that_never_started_when_it_stops_then_held_requests_are_refused() -> None:
    stopping = Stopping()
    front = Front(stopping)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=front), base_url="http://test") as client:
        held = asyncio.create_task(client.get("/api/tasks"))
        await settled()
        stopping.set()

        assert (await held).json()["error"]["code"] == "shuttingDown"
