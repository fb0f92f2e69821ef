"""Values that must not stand on a command line, where every user of the machine can read them."""

import os
import sys
from pathlib import Path

import click

from agent_swarm.cli.failures import CommandFailed

MOST_BYTES = 1024 * 1024

from_file_option = click.option(
    "--from-file", type=click.Path(path_type=Path), metavar="FILE", help="Read the value from a file; - is stdin."
)
from_env_option = click.option("--from-env", metavar="NAME", help="Read the value from an environment variable.")


def quiet_value(what: str, *, from_file: Path | None, from_env: str | None) -> str:
    """The value, from a file, a variable, standard input or a prompt; one line break at its end does not count.

    Raises CommandFailed where there is none.
    """
    if from_file is not None and from_env is not None:
        raise click.UsageError("give either --from-file or --from-env")
    if from_env is not None:
        text = os.environ.get(from_env, "")
        if not text:
            raise CommandFailed(f"the variable {from_env} is not set or empty", hint=f"export {from_env} first")
    elif from_file is not None and str(from_file) != "-":
        text = _content(from_file)
    elif sys.stdin.isatty():
        text = click.prompt(what, hide_input=True, err=True)
    else:
        text = sys.stdin.read(MOST_BYTES)
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise CommandFailed(
            f"there is no {what}: what was read is empty", hint="give it on standard input, or see --help"
        )
    return text


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise CommandFailed(f"cannot read {path}: {reason}", hint="check --from-file") from exc
