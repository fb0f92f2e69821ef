"""What the processes of a swarm print, on the terminal of who started it."""

import os
import sys
from collections.abc import Sequence

import click

from agent_swarm.cli.log_text import readable
from agent_swarm.cli.output import say

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_cyan", "bright_magenta", "bright_yellow")
QUIET_TAIL = 10


class ProcessLog:
    """Each line behind its process's name, in its colour; meets `child.Log`.

    When nobody reads any more (a closed terminal, `up | head`) it falls silent, and the swarm goes on.
    """

    def __init__(self, names: Sequence[str], *, quiet: bool) -> None:
        self._width = max(map(len, names))
        self._colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
        self._quiet = quiet

    def output(self, name: str, line: str) -> None:
        """A line of a child."""
        if not self._quiet:
            self.tell(f"{self._prefix(name)} {readable(line)}")

    def note(self, name: str, text: str, last_words: Sequence[str] = ()) -> None:
        """What happened to a child; its last lines too where they were not shown before."""
        self.tell(f"{self._prefix(name)} {click.style(text, fg='red')}", to_errors=True)
        for line in last_words[-QUIET_TAIL:] if self._quiet else ():
            self.tell(f"{self._prefix(name)}   {readable(line)}", to_errors=True)

    def tell(self, line: str, *, to_errors: bool = False) -> None:
        """A line of our own."""
        try:
            say(line, to_errors=to_errors)
        except OSError:
            # What is still in the buffer has to go somewhere at the end of the program.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, (sys.stderr if to_errors else sys.stdout).fileno())
            os.close(nowhere)

    def _prefix(self, name: str) -> str:
        return click.style(f"{name:<{self._width}} |", fg=self._colours.get(name))
