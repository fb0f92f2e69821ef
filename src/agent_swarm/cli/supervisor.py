"""A tree of processes: starts in stages, is kept running, and ends in the reverse order with nothing left of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agent_swarm.cli import orphans
from agent_swarm.cli.child import Child, ChildSpec, Log

BURY_SECONDS = 5.0


async def at_once() -> None:
    """A stage that needs no time to come up."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Children that start together once the stage before is up.

    `children` is asked only then. `ready` returns when they are up; until then the end of one of them ends everything.
    """

    children: Callable[[], Sequence[ChildSpec]]
    ready: Callable[[], Awaitable[None]] = at_once


class Supervisor:
    """Runs stages until it is told to stop; calls `on_up` when the last one is up.

    Use one at a time per process: it adopts what its children leave behind.
    """

    def __init__(self, stages: Sequence[Stage], *, log: Log, on_up: Callable[[], None] = lambda: None) -> None:
        self._stages = stages
        self._log = log
        self._on_up = on_up
        self._started: list[list[Child]] = []
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """End everything in order; a second time: now."""
        if self._stop.is_set():
            for child in self._children():
                child.kill()
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`. Raises ChildGaveUp when a child cannot run; whatever happens, no child is left afterwards."""
        orphans.adopt()
        undertaker = asyncio.create_task(self._bury())
        runs: list[asyncio.Task[None]] = []
        try:
            for stage in self._stages:
                if not self._stop.is_set():
                    await self._start(stage, runs)
            if not self._stop.is_set():
                self._on_up()
            await self._until_stopped(runs, asyncio.create_task(self._stop.wait()))
        finally:
            await self._end(runs)
            undertaker.cancel()
            orphans.kill_all()

    async def _start(self, stage: Stage, runs: list[asyncio.Task[None]]) -> None:
        must_come_up = stage.ready is not at_once
        children = [Child(spec, log=self._log, must_come_up=must_come_up) for spec in stage.children()]
        self._started.append(children)
        runs.extend(asyncio.create_task(child.run(), name=child.spec.name) for child in children)
        await self._until_stopped(runs, asyncio.ensure_future(stage.ready()))
        for child in children:
            child.is_up = True

    async def _until_stopped(self, runs: Sequence[asyncio.Task[None]], done: asyncio.Future[Any]) -> None:
        """Wait for `done` or `stop`; raise what a child raises meanwhile."""
        stopped = asyncio.create_task(self._stop.wait())
        going: list[asyncio.Future[Any]] = list(runs)
        try:
            while not stopped.done() and not done.done():
                await asyncio.wait([stopped, done, *going], return_when=asyncio.FIRST_COMPLETED)
                for run in filter(asyncio.Future.done, going):
                    run.result()
                going = [run for run in going if not run.done()]
            if done.done():
                done.result()
        finally:
            stopped.cancel()
            done.cancel()

    async def _end(self, runs: Sequence[asyncio.Task[None]]) -> None:
        """Stop the stages, the last one first, and see every child's run to its end."""
        self._stop.set()
        by_name = {run.get_name(): run for run in runs}
        for children in reversed(self._started):
            for child in children:
                child.stop()
            await asyncio.gather(*(by_name[child.spec.name] for child in children), return_exceptions=True)

    async def _bury(self) -> None:
        while True:
            await asyncio.sleep(BURY_SECONDS)
            orphans.bury({child.pid for child in self._children() if child.pid is not None})

    def _children(self) -> list[Child]:
        return [child for children in self._started for child in children]
