"""Tests of a copy, run in a process of their own that need not import the world first.

A trial would take seconds, most of which is spent on starting Python and on importing. A process for each copy has that
behind it: it has imported what the copy has in `src`, and forks for every trial. There the functions that a mutant
changes get its code; where it changes more than functions, the trial is run by a fork that imports everything anew.
"""

import gc
import importlib
import multiprocessing
import os
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.guards.swapping import CannotSwapError, Functions

_PACKAGE = "agent_swarm"
_PLUGINS = ("-p", "no:cacheprovider", "-p", "pytest_timeout", "-p", "anyio", "-p", "_hypothesis_pytestplugin")
_EXAMPLES = 400  # of a property that does not say how many it wants
_TOLD = 64  # added to what pytest answers: a process that dies of something else is told apart
_CANNOT_SWAP = 63
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

_fresh = multiprocessing.get_context("forkserver")
_fresh.set_forkserver_preload([__name__, *_IMPORTED])
_alike = multiprocessing.get_context("fork")


class TrialDiedError(Exception):
    """The process of a trial ended without a word of pytest."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a mutant makes of a file of the copy."""

    path: str
    before: str
    after: str


class Trials:
    """Runs pytest in the copy at `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._calls, others = _fresh.Pipe()
        self._process = _fresh.Process(target=_serve, args=(str(self._folder), others), daemon=False)
        self._process.start()
        others.close()
        self._calls.recv()  # nothing in the folder may be changed before all of it is imported

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._calls.close()
        self._process.join()

    def run(
        self, arguments: Sequence[str], *, seconds: float, says: Path | None = None, change: Change | None = None
    ) -> int | None:
        """Answers the exit code of pytest, None where it took longer than `seconds`. Raises TrialDiedError.

        `change` is on the disk already. What pytest prints goes to the file `says`, or nowhere.
        """
        call = _Call(tuple(arguments), seconds, str(says or os.devnull), change)
        self._calls.send(call)
        code: int | None = self._calls.recv()
        if code == _CANNOT_SWAP:
            code = _ended(_fresh.Process(target=_import_anew, args=(str(self._folder), call)), seconds)
        if code is not None and code < _TOLD:
            raise TrialDiedError(f"the process of the trial ended with {code}, and pytest told nothing")
        return None if code is None else code - _TOLD


@dataclass(frozen=True, slots=True)
class _Call:
    arguments: tuple[str, ...]
    seconds: float
    says: str
    change: Change | None


def _serve(folder: str, calls: "Connection[int | None, _Call]") -> None:
    """Import what is in the copy, and fork for every call."""
    _move_to(folder)
    _import_all()
    functions = Functions(folder)
    gc.collect()
    gc.freeze()  # what is never collected need not be copied for each fork
    calls.send(None)
    while True:
        try:
            call = calls.recv()
        except EOFError:
            return
        calls.send(_ended(_alike.Process(target=_swap_and_run, args=(functions, call)), call.seconds))


def _import_all() -> None:
    package = importlib.import_module(_PACKAGE)
    for module in pkgutil.walk_packages(package.__path__, f"{_PACKAGE}."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)


def _ended(process: "multiprocessing.process.BaseProcess", seconds: float) -> int | None:
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def _swap_and_run(functions: Functions, call: _Call) -> None:
    if call.change is not None:
        try:
            functions.swap(call.change.path, call.change.before, call.change.after)
        except CannotSwapError:
            os._exit(_CANNOT_SWAP)
    _be_pytest(call)


def _import_anew(folder: str, call: _Call) -> None:
    _move_to(folder)
    _be_pytest(call)


def _move_to(folder: str) -> None:
    os.chdir(folder)
    os.environ["PYTHONPATH"] = f"{folder}/src"  # for processes that tests start
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # loading all of them takes longer than most of the tests
    for name in [name for name in sys.modules if name.split(".")[0] in (_PACKAGE, "tests")]:
        raise AssertionError(f"{name} is imported, and not from the copy")
    sys.path[:0] = [f"{folder}/src", folder]


def _be_pytest(call: _Call) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(call.says, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    import pytest
    from hypothesis import Phase, settings

    # So many made-up cases that none which tells is left out by chance; which one is the smallest does not matter.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    settings.register_profile("trial", max_examples=_EXAMPLES, phases=phases, database=None, deadline=None)
    settings.load_profile("trial")
    os._exit(_TOLD + pytest.main(["-x", "-q", *_PLUGINS, *call.arguments]))
