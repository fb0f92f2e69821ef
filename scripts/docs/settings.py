"""`docs/reference/settings.md`: every setting, and every other variable that the program reads or sets."""

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from scripts.docs.markdown import code, codes, page, sentence, table

from agent_swarm import config
from agent_swarm.cli import address, completion
from agent_swarm.config import Setting, settings_of
from agent_swarm.sandbox import records
from agent_swarm.server.settings import ServerSettings
from agent_swarm.vault.backends.settings import BackendSettings
from agent_swarm.worker.environment import KEY_VARIABLES
from agent_swarm.worker.settings import WorkerSettings

SECTIONS: Mapping[str, tuple[type[Any], str]] = {
    "server": (ServerSettings, "`<data-dir>/config.toml`"),
    "secrets": (BackendSettings, "`<data-dir>/config.toml`"),
    "worker": (WorkerSettings, "`~/.agent-swarm/workers/config.toml`"),
}

INTRODUCTION = """
Defaults < `config.toml` < [stored configuration](../secrets.md#what-becomes-of-an-entry) < environment < command-line
flags; later wins. Stored can be what is marked so: the server reads it once its database is open. An empty variable
counts as unset. Where several variables are listed the first one that is set wins. A value that does not parse, and a
key of `config.toml` that does not exist, are refused with the setting's name and what was expected. Secrets are never
shown.

`--env-file FILE` reads `KEY=value` and `export KEY="value"` lines first, on every command. `agent-swarm up` hands
the environment on to the server and the workers it runs, except what concerns one process alone (`PORT`, `HOST`,
`AGENT_ID`, `AGENT_NAME`, `AGENT_ROLE`).
"""

# What is no setting of a class. Names that the code has as constants are taken from there.
OTHER: tuple[tuple[str, tuple[tuple[tuple[str, ...], str], ...]], ...] = (
    (
        "The command line",
        (
            (address.URL_VARIABLES, f"the server that commands talk to; default `{address.DEFAULT_URL}`"),
            (
                address.KEY_VARIABLES,
                "the key that commands show; for a server of this machine else the file `api-key` in its data "
                "directory",
            ),
            (("DATA_DIR",), "where commands look for that file; default `~/.agent-swarm/server`"),
            (("AGENT_SWARM_HOME",), "where everything lives by default, instead of `~/.agent-swarm`"),
            (("NO_COLOR",), "set to anything: no colours"),
            ((completion.VARIABLE,), "set by the completion scripts of shells"),
        ),
    ),
    (
        "What an agent finds in its environment",
        (
            (("WORKSPACE",), "the folder it works in"),
            (("TMPDIR",), "a folder for temporary files, removed with the run"),
            (("AGENT_SWARM_URL",), "the server"),
            (("AGENT_SWARM_TOKEN",), "the attempt's token; it counts while the attempt lasts"),
            (("AGENT_SWARM_TASK_ID", "AGENT_SWARM_ATTEMPT", "AGENT_SWARM_AGENT_ID"), "what it works on, and as whom"),
            (
                ("AGENT_SWARM_WORKFLOW_RUN", "AGENT_SWARM_STAGE", "AGENT_SWARM_OUTPUT"),
                "of scripts of workflows: what it is part of, and the file for the JSON that it comes to",
            ),
            (("AGENT_SWARM_SHARED_DIR",), "the folder that all agents of this host read"),
            (("AGENT_SWARM_PERSONAL_DIR",), "the folder of this agent alone"),
            (
                ("AGENT_SWARM_DEPENDENCIES",),
                "a page with the results of the tasks it builds on; only where there are some",
            ),
            (("AGENT_SWARM_INSTRUCTIONS",), "a file with the instructions of its profile; only where there are some"),
            (
                (records.RUN_VARIABLE, records.PROCESS_VARIABLE),
                "the marks by which what belongs to a run is found again",
            ),
            (
                ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "LC_*"),
                "as the worker has them; all else of the worker's environment stays out unless `AGENT_SWARM_PASS_ENV` "
                f"names it, and {codes(sorted(KEY_VARIABLES))} stay out even then",
            ),
        ),
    ),
    (
        "Used inside",
        (
            (
                ("AGENT_SWARM_GIT_USERNAME", "AGENT_SWARM_GIT_PASSWORD"),
                "set for `git` alone: credentials of a repository reach it this way and stand on no command line",
            ),
            (
                ("AGENT_SWARM_EDITOR",),
                "in SSH sessions of VMs: the folder of what `code` asks the host by; set by the session",
            ),
            (("TEST_POSTGRES_URL",), "for tests: a PostgreSQL server to use instead of starting one"),
        ),
    ),
)


def render() -> str:
    """The page."""
    sections = [_section(name, *about) for name, about in SECTIONS.items()]
    others = [
        f"## {title}\n\n" + table(("Variable", "What it is for"), [(codes(names), text) for names, text in variables])
        for title, variables in OTHER
    ]
    return page("Settings", INTRODUCTION, *sections, *others, source="the classes of settings")


def _section(name: str, cls: type[Any], toml: str) -> str:
    defaults = {field.name: _default(field) for field in dataclasses.fields(cls)}
    headers = ("Variable", "In config.toml", "Default", "Expected", "What it is for")
    rows = [_row(key, one, defaults[key]) for key, one in settings_of(cls).items()]
    return f"## `[{name}]`\n\n{sentence(cls.__doc__ or '')} File: {toml}.\n\n{table(headers, rows)}"


def _row(name: str, one: Setting, default: str) -> tuple[str, ...]:
    marks = [mark for mark, holds in (("secret", one.secret), ("may be stored", one.stored)) if holds]
    help_text = one.help + (f" ({', '.join(marks)})" if marks else "")
    return (codes(one.env), code(name), default, one.expected, help_text)


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default_factory is not dataclasses.MISSING:
        return _shown(field.default_factory())
    return _shown(field.default)


def _shown(value: object) -> str:
    """The value as a person would type it; folders of this machine by their general name."""
    match value:
        case None | "" | ():
            return "none"
        case timedelta():
            return f"{value.total_seconds():g} s"
        case Path() if value.is_relative_to(config.home()):
            return code(Path("~/.agent-swarm") / value.relative_to(config.home()))
        case tuple():
            return codes(value)
        case _:
            return code(value)


def variables() -> Iterator[str]:
    """Every variable on the page."""
    for cls, _ in SECTIONS.values():
        for one in settings_of(cls).values():
            yield from one.env
    for _, others in OTHER:
        for names, _ in others:
            yield from names
