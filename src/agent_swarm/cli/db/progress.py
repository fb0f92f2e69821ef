"""How far a copy is: a bar on a terminal, lines elsewhere, nothing where a program reads the answer."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from agent_swarm.cli.output import say

LINE_SECONDS = 5.0


class Told(Protocol):
    """Hears how far it is."""

    def __call__(self, phase: str, table: str, done: int, total: int) -> None: ...


@contextmanager
def shown_progress(*, silent: bool) -> Iterator[Told]:
    """What is to be called with how far it is; all of it goes to standard error."""
    if silent:
        yield lambda phase, table, done, total: None
    elif sys.stderr.isatty():
        with _bar() as told:
            yield told
    else:
        yield _lines(time.monotonic)


@contextmanager
def _bar() -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("")
        current = ""

        def tell(phase: str, table: str, done: int, total: int) -> None:
            nonlocal current
            if f"{phase} {table}" != current:
                current = f"{phase} {table}"
                bar.reset(shown)
            bar.update(shown, description=current, completed=done, total=total)

        yield tell


def _lines(clock: Callable[[], float]) -> Told:
    """One line every few seconds, so that a log stays short."""
    told_at = clock()

    def tell(phase: str, table: str, done: int, total: int) -> None:
        nonlocal told_at
        if clock() - told_at >= LINE_SECONDS:
            told_at = clock()
            say(f"{phase} {table}: {done:,} of {total:,}", to_errors=True)

    return tell
