"""The same for many VMs: side by side, no more at once than the machine carries, each with its own outcome."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from agent_swarm.domain.errors import SwarmError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went for one of them. `error` is None where it went well."""

    name: str
    error: SwarmError | None
    seconds: float


def each(names: Sequence[str], work: Callable[[str], object], *, at_once: int) -> Iterator[Outcome]:
    """Do `work` for every name, at most `at_once` of them at a time; outcomes as they come.

    A name that is given twice is done once. One that fails hinders no other; a fault of ours ends it all.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="bulk") as pool:
        under_way: list[Future[Outcome]] = [pool.submit(_one, name, work) for name in dict.fromkeys(names)]
        try:
            for done in as_completed(under_way):
                yield done.result()
        finally:
            for waiting in under_way:
                waiting.cancel()


def _one(name: str, work: Callable[[str], object]) -> Outcome:
    started = time.monotonic()
    try:
        work(name)
    except SwarmError as exc:
        return Outcome(name, exc, time.monotonic() - started)
    return Outcome(name, None, time.monotonic() - started)
