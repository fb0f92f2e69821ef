"""Prompts and graphs that come from a file or from standard input."""

import sys
from pathlib import Path

from agent_swarm.cli.failures import CommandFailed


def read_text(file: str, *, what: str) -> str:
    """The text of a file, `-` for standard input; raises CommandFailed where it is not there or not UTF-8."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode("utf-8")
    except OSError as exc:
        raise CommandFailed(f"cannot read the {what} from {file}: {exc.strerror}", hint="check the path") from exc
    except UnicodeDecodeError as exc:
        raise CommandFailed(f"the {what} in {file} is not UTF-8 text", hint="convert the file to UTF-8") from exc
