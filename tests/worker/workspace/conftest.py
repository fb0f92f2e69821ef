"""Real repositories, real workers' directories, and agents with the environment they were given."""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.worker.workspace import Identity, Project, Workspace, Workspaces
from agent_swarm.worker.workspace.git import GitTimeouts
from agent_swarm.worker.workspace.steps import Reached, go_on

from .checkouts import AGENT, GRACE, AgentIn, Checkout, MakeCheckout, OpenHost


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a worker whose user has no git configuration."""
    home = tmp_path / "home"
    home.mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def person(environ: dict[str, str]) -> dict[str, str]:
    """The environment of a person at a terminal."""
    return {**environ, **GRACE}


@pytest.fixture
def make_checkout(person: dict[str, str]) -> MakeCheckout:
    def make(path: Path, *, bare: bool = False) -> Checkout:
        path.mkdir(parents=True)
        return Checkout(path, person).begin(bare=bare)

    return make


@pytest.fixture(scope="session")
def server_and_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository `origin.git`, as a server has it, with two files on `main`, and a person's clone of it, `desk`."""
    place = tmp_path_factory.mktemp("template")
    env = {"PATH": os.environ["PATH"], "HOME": str(place), "GIT_CONFIG_NOSYSTEM": "1", **GRACE}
    origin, desk = Checkout(place / "origin.git", env), Checkout(place / "desk", env)
    for checkout in (origin, desk):
        checkout.path.mkdir()
        checkout.begin(bare=checkout is origin)
    desk.commit({"README": "hello\n", "src/app.py": "print(1)\n"}, "Begin")
    desk.git("remote", "add", "origin", "../origin.git")
    desk.git("push", "--quiet", "origin", "main")
    return place


@pytest.fixture
def origin(server_and_desk: Path, tmp_path: Path, person: dict[str, str]) -> Checkout:
    """The server's repository."""
    for name in ("origin.git", "desk"):
        shutil.copytree(server_and_desk / name, tmp_path / name, symlinks=True)
    return Checkout(tmp_path / "origin.git", person)


@pytest.fixture
def desk(origin: Checkout, tmp_path: Path) -> Checkout:
    """A person's clone of the origin."""
    return Checkout(tmp_path / "desk", origin.env)


@pytest.fixture
def project(origin: Checkout) -> Project:
    return Project(id=str(uuid4()), url=str(origin.path))


@pytest.fixture
def identity() -> Identity:
    return Identity.of_agent(AGENT, "Ada")


@pytest.fixture
def task() -> str:
    return str(uuid4())


@pytest.fixture
async def open_host(tmp_path: Path, environ: dict[str, str], identity: Identity) -> AsyncIterator[OpenHost]:
    async with AsyncExitStack() as stack:
        hosts: dict[str, Workspaces] = {}

        async def open_one(
            name: str = "one",
            *,
            reached: Reached = go_on,
            timeouts: GitTimeouts = GitTimeouts(),  # noqa: B008 - frozen
            more: Mapping[str, str] | None = None,
        ) -> Workspaces:
            if name in hosts:
                await hosts[name].close()
            directory, variables = tmp_path / name / "workers" / AGENT, {**environ, **(more or {})}
            hosts[name] = await Workspaces.open(
                directory, identity, environ=variables, timeouts=timeouts, reached=reached
            )
            return await stack.enter_async_context(hosts[name])

        yield open_one


@pytest.fixture
async def host(open_host: OpenHost) -> Workspaces:
    return await open_host()


@pytest.fixture
def worker_dir(tmp_path: Path) -> Path:
    return tmp_path / "one" / "workers" / AGENT


@pytest.fixture
def agent_in(environ: dict[str, str]) -> AgentIn:
    """It has the worker's HOME and PATH, and what the workspace adds."""

    def agent_in(workspace: Workspace) -> Checkout:
        return Checkout(workspace.path, {**environ, **workspace.env})

    return agent_in


@pytest.fixture
def mirror(worker_dir: Path, project: Project, person: dict[str, str]) -> Checkout:
    """The mirror of the project on the first host."""
    return Checkout(worker_dir / "mirrors" / f"{project.id}.git", person)
