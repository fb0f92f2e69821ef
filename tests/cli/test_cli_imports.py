"""What the everyday commands cost: they import nothing heavy."""

import subprocess
import sys

import pytest
from tests.cli.recorded_server import RecordedServer, answer

HEAVY = {
    "pydantic",
    "fastapi",
    "starlette",
    "sqlalchemy",
    "alembic",
    "uvicorn",
    "httpx",
    "httpx2",
    "rich",
    "asyncio",
    "mcp",
}
OURS = {"server", "services", "store", "worker", "sandbox", "harness"}
TASK = {"id": "0197a1c2-5b7e-7c3d-9e4f-0123456789ab", "status": "pending", "title": "Build"}
TELL = """
import atexit, sys
atexit.register(lambda: print(*sorted(sys.modules), file=open({report!r}, "w")))
from agent_swarm.cli.main import main
main()
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("task", "--help"),
        ("task", "add", "--help"),
        ("task", "add", "Build it"),
        ("db", "status", "--help"),
        ("db", "copy", "--help"),
        ("up", "--help"),
    ],
    ids=" ".join,
)
def test_given_an_everyday_command_when_it_runs_then_nothing_heavy_is_imported(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    recorded_server: RecordedServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    recorded_server.will(answer(TASK, 201))
    report = tmp_path_factory.mktemp("modules") / "modules"
    done = subprocess.run(
        [sys.executable, "-c", TELL.format(report=str(report)), *arguments],
        env={**environment, "AGENT_SWARM_URL": recorded_server.url},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = set(report.read_text().split())
    allowed = {"asyncio"} if arguments[0] == "up" else set()  # it supervises
    assert not {name.partition(".")[0] for name in modules} & (HEAVY - allowed)
    if arguments[0] != "up":
        assert not {name.split(".")[1] for name in modules if name.startswith("agent_swarm.")} & OURS


@pytest.mark.parametrize("command", ["api", "up", "demo"])
def test_given_an_installation_without_the_server_then_it_says_what_to_install(
    command: str, environment: dict[str, str]
) -> None:
    lean = "import sys; sys.modules['fastapi'] = None; from agent_swarm.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", lean, command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "error: this installation has no fastapi" in done.stderr
    assert 'pip install "agent-swarm[server]"' in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lacking", "address", "extra"),
    [("sqlalchemy", "swarm.sqlite", "server"), ("psycopg", "postgresql://db/swarm", "postgres")],
)
def test_given_an_installation_without_what_a_database_needs_then_it_says_what_to_install(
    lacking: str, address: str, extra: str, environment: dict[str, str]
) -> None:
    lean = f"import sys; sys.modules['{lacking}'] = None; from agent_swarm.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", lean, "db", "status", "--database", address],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"error: this installation has no {lacking}" in done.stderr
    assert f'pip install "agent-swarm[{extra}]"' in done.stderr


@pytest.mark.slow
def test_given_a_database_command_when_it_runs_then_the_frameworks_of_the_server_are_not_imported(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = tmp_path_factory.mktemp("modules") / "modules"
    empty = report.with_name("empty.sqlite")
    empty.touch()
    subprocess.run(
        [sys.executable, "-c", TELL.format(report=str(report)), "db", "status", "--database", str(empty)],
        env=environment,
        capture_output=True,
        check=False,
    )
    modules = {name.partition(".")[0] for name in report.read_text().split()}
    assert "sqlalchemy" in modules
    assert not modules & {"fastapi", "starlette", "uvicorn", "pydantic", "alembic"}
