"""`scripts/mutate-guards`: tries every mutant, prints a table, answers 1 where one survives or cannot be made."""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from scripts.guards.copies import Copy, SourceNotFoundError
from scripts.guards.guard import Guard
from scripts.guards.table import GUARDS

SIDE_BY_SIDE = 2


def main(arguments: Sequence[str], root: Path, *, are_known_to_pass: bool = False) -> int:
    """Answers the exit code. An argument chooses the guards whose names contain it.

    `are_known_to_pass` says that the tests of guards pass while every guard stands; else that is tried, too.
    """
    chosen = [guard for guard in GUARDS if not arguments or any(word in guard.name for word in arguments)]
    if not chosen:
        sys.stderr.write(f"no guard is named like {' or '.join(arguments)}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="mutate-guards-") as folder:
        verdicts = _try_all(chosen, root, Path(folder), are_known_to_pass=are_known_to_pass)
    for guard, (verdict, seconds) in zip(chosen, verdicts, strict=True):
        sys.stdout.write(f"{verdict:<10} {seconds:5.1f} s  {guard.name}  ({guard.path})\n")
    killed = sum(verdict == "killed" for verdict, _ in verdicts)
    sys.stdout.write(f"{killed} of {len(chosen)} mutants are killed\n")
    return 0 if killed == len(chosen) else 1


def _try_all(chosen: Sequence[Guard], root: Path, folder: Path, *, are_known_to_pass: bool) -> list[tuple[str, float]]:
    copies: SimpleQueue[Copy] = SimpleQueue()
    with ExitStack() as stack:
        for number in range(SIDE_BY_SIDE):
            copies.put(stack.enter_context(Copy(root, folder / str(number))))
        pool = stack.enter_context(ThreadPoolExecutor(SIDE_BY_SIDE))
        standing = () if are_known_to_pass else chosen
        stands = pool.submit(_borrow, copies, lambda copy: copy.failure(standing))
        tried = list(pool.map(lambda guard: _borrow(copies, lambda copy: _try(copy, guard)), chosen))
        if failure := stands.result()[0]:
            sys.stdout.write(f"{failure}\nthe tests fail while every guard stands: nothing is shown\n")
            return [("unclear", seconds) for _, seconds in tried]
    return tried


def _borrow(copies: "SimpleQueue[Copy]", work: Callable[[Copy], str]) -> tuple[str, float]:
    copy, began = copies.get(), time.monotonic()
    try:
        return work(copy), time.monotonic() - began
    finally:
        copies.put(copy)


def _try(copy: Copy, guard: Guard) -> str:
    try:
        return copy.try_without(guard)
    except SourceNotFoundError as exc:
        return str(exc)
