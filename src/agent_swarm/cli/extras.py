"""Parts of the program that a lean installation leaves out."""

from collections.abc import Iterator
from contextlib import contextmanager

from agent_swarm.cli.failures import CommandFailed


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Around imports: says which extra to install where something outside this package is missing."""
    try:
        yield
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] == "agent_swarm":
            raise
        raise CommandFailed(
            f"this installation has no {exc.name}, which this command needs",
            hint=f'install it with: pip install "agent-swarm[{extra}]"',
        ) from exc
