"""`docs/reference/errors.md`: every code that a refusal can carry, on the wire and on one machine."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

from scripts.docs.markdown import block, code, page, sentence, table

import agent_swarm
from agent_swarm.cli import failures
from agent_swarm.domain.errors import SwarmError
from agent_swarm.protocol.errors import REGISTRY

SHAPE = '{"error": {"code": "staleLease", "message": "…", "hint": "…", "details": {…}}}'

INTRODUCTION = f"""
Every refusal, over HTTP and in the worker protocol, has one shape:

{block(SHAPE, "json")}

`code` is stable; programs decide by it. `message` says what happened and what was expected, `hint` what to do,
`details` holds the values behind it. An HTTP 503 comes with `Retry-After`. A client that meets a code it does not
know treats it as `remote`.
"""

LOCAL = """
## Local to one machine

These are raised by the command line, the worker or the server's start, and never travel as a refusal of the server.
Those of a worker that made an attempt fail are told as `failure.code` of the task and its attempt.
"""

EXIT_CODES = """
## Exit codes of `agent-swarm`
"""

# What its own docstring does not say for whoever reads the wire.
MEANINGS = {SwarmError.code: "A fault of the server; its log tells more, by the request id."}

SKIPPED = ("agent_swarm.testing", "agent_swarm.store.sql.migrations")


def render() -> str:
    """The page."""
    wire = [
        (
            code(name),
            str(spec.status),
            "yes" if spec.retryable else "no",
            MEANINGS.get(name) or sentence(spec.error.__doc__ or ""),
        )
        for name, spec in sorted(REGISTRY.items())
    ]
    local = [
        (code(cls.code), code(cls.__module__.removeprefix("agent_swarm.")), sentence(cls.__doc__ or ""))
        for cls in sorted(local_errors(), key=lambda cls: (cls.code, cls.__module__))
    ]
    exits = inspect.getdoc(failures) or ""
    return page(
        "Errors",
        INTRODUCTION,
        "## On the wire\n\n" + table(("Code", "HTTP", "Again later?", "Meaning"), wire),
        LOCAL,
        table(("Code", "Raised in", "Meaning"), local),
        EXIT_CODES,
        block(exits.partition("\n\n")[2]),
        source="`protocol/errors.py` and every class of error that has a code of its own",
    )


def local_errors() -> list[type[SwarmError]]:
    """The errors with a code of their own that is not in the registry."""
    on_wire = {spec.error for spec in REGISTRY.values()}
    return [cls for cls in errors_with_code() if cls not in on_wire]


def errors_with_code() -> Iterator[type[SwarmError]]:
    """Every class of error that has a code of its own."""
    for module in pkgutil.walk_packages(agent_swarm.__path__, "agent_swarm."):
        if not module.name.startswith(SKIPPED) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    seen: set[type[SwarmError]] = set()
    open_ends: list[type[SwarmError]] = [SwarmError]
    while open_ends:
        cls = open_ends.pop()
        if cls not in seen:
            seen.add(cls)
            open_ends.extend(cls.__subclasses__())
            if "code" in vars(cls) and cls.__module__.startswith("agent_swarm."):
                yield cls
