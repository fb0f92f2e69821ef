"""How a command ends: exit codes, and errors as people read them.

0    done                         2    wrong usage
1    refused, or it failed        3    server unreachable, or it does not know who asks
4    database: a migration is due, or it is empty
5    database: its schema is unknown to this version
6    database: a copy into it was not finished
7    a replay was not the run that was recorded
130  interrupted (Ctrl-C)
"""

from typing import Final

import click

from agent_swarm.domain.errors import SwarmError, Unauthenticated

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
MIGRATION_DUE: Final = 4
UNKNOWN_SCHEMA: Final = 5
UNFINISHED_COPY: Final = 6
DIVERGED: Final = 7
INTERRUPTED: Final = 130

# By code: what raises them is not worth an import here.
BY_CODE: Final = {
    "invalidSetting": USAGE,
    "invalidDatabaseAddress": USAGE,
    "databaseUnreachable": UNREACHABLE,
    "unknownSchema": UNKNOWN_SCHEMA,
    "unfinishedCopy": UNFINISHED_COPY,
}


class CommandFailed(SwarmError):
    """The command could not do what it was asked for, for a reason on this machine."""

    code = "commandFailed"


class Unreachable(SwarmError):
    """No server answers at the address."""

    code = "unreachable"


class ConnectionLost(Unreachable):
    """The server took the request, and the connection broke before its answer came."""

    code = "connectionLost"


def exit_code_of(error: SwarmError) -> int:
    """The exit code that tells scripts what kind of failure it was."""
    if isinstance(error, Unreachable | Unauthenticated):
        return UNREACHABLE
    return BY_CODE.get(error.code, REFUSED)


def show(error: SwarmError) -> None:
    """Print what happened and what to do about it to standard error."""
    from agent_swarm.cli.text import printable

    click.echo(f"{click.style('error:', fg='red', bold=True)} {printable(error.message)}", err=True)
    if error.hint:
        click.echo(f"{click.style(' hint:', bold=True)} {printable(error.hint)}", err=True)
