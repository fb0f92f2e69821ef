"""Tests of a copy, run in a process of their own that need not import the world first.

A trial takes a second or two, most of which was spent on starting Python and importing what is not ours. A server of
forks has that behind it; what is ours it never imports, so that each fork takes it from its copy.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_PLUGINS = ("-p", "no:cacheprovider", "-p", "pytest_timeout", "-p", "anyio", "-p", "_hypothesis_pytestplugin")
_EXAMPLES = 400  # of a property that does not say how many it wants
_IMPORTED = (
    "alembic",
    "anyio.pytest_plugin",
    "fastapi",
    "httpx2",
    "hypothesis",
    "nats",
    "prometheus_client",
    "psycopg",
    "pytest",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "structlog",
    "uvicorn",
    "uvloop",
    "websockets.asyncio.client",
)

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__, *_IMPORTED])


def run(folder: Path, arguments: Sequence[str], *, seconds: float, says: Path | None = None) -> int | None:
    """Run pytest in the copy at `folder`; answers its exit code, None where it took longer than `seconds`.

    What pytest prints goes to the file `says`, or nowhere.
    """
    process = _forks.Process(target=_be_pytest, args=(str(folder), list(arguments), str(says or os.devnull)))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def _be_pytest(folder: str, arguments: list[str], says: str) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(says, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = f"{folder}/src"  # for processes that tests start
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # loading all of them takes longer than most of the tests
    for name in [name for name in sys.modules if name.split(".")[0] in ("agent_swarm", "tests")]:
        raise AssertionError(f"{name} is imported, and not from the copy")
    sys.path[:0] = [f"{folder}/src", folder]
    import pytest
    from hypothesis import Phase, settings

    # So many made-up cases that none which tells is left out by chance; which one is the smallest does not matter.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    settings.register_profile("trial", max_examples=_EXAMPLES, phases=phases, database=None, deadline=None)
    settings.load_profile("trial")
    os._exit(pytest.main(["-x", "-q", *_PLUGINS, *arguments]))
