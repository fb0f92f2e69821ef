"""How a command ends: exit codes, and errors as people read them.

0    done                         2    wrong usage
1    refused, or it failed        3    server unreachable, or it does not know who asks
130  interrupted (Ctrl-C)
"""

from typing import Final

import click

from agent_swarm.domain.errors import SwarmError, Unauthenticated

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130

INVALID_SETTING: Final = "invalidSetting"  # config.SettingError, which is not worth an import here


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
    return USAGE if error.code == INVALID_SETTING else REFUSED


def show(error: SwarmError) -> None:
    """Print what happened and what to do about it to standard error."""
    from agent_swarm.cli.text import printable

    click.echo(f"{click.style('error:', fg='red', bold=True)} {printable(error.message)}", err=True)
    if error.hint:
        click.echo(f"{click.style(' hint:', bold=True)} {printable(error.hint)}", err=True)
