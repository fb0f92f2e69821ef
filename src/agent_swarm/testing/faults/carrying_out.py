"""Carries a schedule out: rough times, then peace, then the reckoning."""

import asyncio
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_swarm.testing.faults import roles
from agent_swarm.testing.faults.house import House
from agent_swarm.testing.faults.nursery import Child, Nursery
from agent_swarm.testing.faults.operator import Refused
from agent_swarm.testing.faults.puppet import Part
from agent_swarm.testing.faults.schedule import SERVER, Blow, Hit, Order, Schedule
from agent_swarm.testing.real_swarm import processes_below

_LOOK_SECONDS = 0.1
_PEACE_SECONDS = 90.0  # for everything to come to its end once nothing goes wrong any more


@dataclass(slots=True)
class Report:
    """How a schedule went."""

    seed: int

    wrong: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)  # crash points
    faults: int = 0  # of the network
    left: tuple[Path, list[str]] | None = None  # the server's folder and what it promised, to be audited


async def carry_out(schedule: Schedule, nursery: Nursery, folder: Path, template: Path | None) -> Report:
    """How it went, but for the audit."""
    dice = random.Random(schedule.seed)
    role = roles.WORKER if schedule.with_children else roles.PUPPETEER
    house = House(nursery, folder, dice, odds=schedule.odds, crashes=schedule.crashes, slots=schedule.slots, role=role)
    telling = _Telling(schedule, house, dice, nursery.lease_seconds)
    report = Report(schedule.seed)
    try:
        async with asyncio.timeout(3 * _PEACE_SECONDS), asyncio.TaskGroup() as group:
            watching = group.create_task(telling.look_after())
            await telling.begin(template)
            await telling.rough_times()
            await telling.peace()
            watching.cancel()
        async with asyncio.timeout(_PEACE_SECONDS):
            await telling.good_night()
        report.wrong = telling.strange_exits() + house.complaints()
        await house.until(lambda: not processes_below(folder), "no process of an agent is left", within=10)
        report.left = (house.data_dir, telling.promised)
    except BaseExceptionGroup as group_:
        report.wrong = [*(f"{type(exc).__name__}: {exc}" for exc in _leaves(group_)), house.last_words()]
    except (AssertionError, TimeoutError) as exc:
        report.wrong = [f"{type(exc).__name__}: {exc}", house.last_words()]
    finally:
        await house.close()
    report.reached = house.reached.read_text().split() if house.reached.exists() else []
    report.faults = house.proxy.done.total()
    return report


class _Telling:
    """One schedule under way."""

    def __init__(self, schedule: Schedule, house: House, dice: random.Random, lease_seconds: float) -> None:
        self.promised: list[str] = []
        self._schedule = schedule
        self._house = house
        self._dice = dice
        self._lease_seconds = lease_seconds
        self._busy: set[str] = set()  # processes that somebody is dealing with
        self._still: set[int] = set()  # processes that stand still at a point

    async def begin(self, template: Path | None) -> None:
        """Start everything."""
        house = self._house
        await house.proxy.start()
        await house.start_server(template)
        for worker in self._schedule.workers:
            await house.start_worker(worker)

    async def rough_times(self) -> None:
        """File the graph, let people want things, and let blows fall; until everything asked for is acknowledged."""
        schedule = self._schedule
        async with asyncio.timeout(_PEACE_SECONDS), asyncio.TaskGroup() as group:
            filed = group.create_task(self._file(schedule.tasks, "graph"))
            for order in schedule.orders:
                group.create_task(self._want(order, filed))
            for hit in schedule.hits:
                group.create_task(self._strike(hit))
            group.create_task(asyncio.sleep(0.3 * self._lease_seconds))

    async def peace(self) -> None:
        """Nothing goes wrong from here on: everything comes to its end."""
        self._house.proxy.calm()
        try:
            async with asyncio.timeout(_PEACE_SECONDS):
                while not await self._is_over():  # noqa: ASYNC110 - it is in other processes
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise AssertionError(f"not over within {_PEACE_SECONDS} s: {await self._state()}") from None

    async def good_night(self) -> None:
        """Workers leave in good order, or are killed; so is the server."""
        house = self._house
        ends = [self._dice.choice((signal.SIGTERM, signal.SIGKILL)) for _ in self._schedule.workers]
        codes = await asyncio.gather(*map(house.end, self._schedule.workers, ends))
        for worker, number, code in zip(self._schedule.workers, ends, codes, strict=True):
            house.exits[worker].append(code)
            usual = (-signal.SIGKILL,) if number is signal.SIGKILL else (0, -signal.SIGKILL, -signal.SIGTERM)
            assert code in usual, f"{worker} was told to end by {number.name}, and did with {code}"
        await house.end(SERVER)

    def strange_exits(self) -> list[str]:
        """Processes that ended as none should: not killed, not asked to, and not because a newer one took over."""
        usual = {0, 3, -signal.SIGKILL, -signal.SIGTERM}  # the last one where it had not begun to listen to that
        return [
            f"{name} ended with {code}"
            for name, codes in self._house.exits.items()
            for code in codes
            if code not in usual
        ]

    # --- people ---------------------------------------------------------------------------------------------------

    async def _file(self, tasks: tuple[Any, ...], key: str) -> list[str]:
        """File tasks through the proxy, under one key, until they are acknowledged; then once more."""
        house, body = self._house, {"tasks": list(tasks)}
        answers = [
            await house.operator.insist(house.proxy.address, "POST", "/api/tasks/batch", body, idempotency=key)
            for _ in range(2)
        ]
        refs = [[answer["refs"][task["ref"]] for task in tasks] for answer in answers]
        assert refs[0] == refs[1], f"filed under the same key: {refs}"
        self.promised += refs[0]
        return refs[0]

    async def _want(self, order: Order, filed: "asyncio.Task[list[str]]") -> None:
        await asyncio.sleep(order.at * self._lease_seconds)
        if order.verb == "file":
            part = Part(steps=2)
            is_real = self._schedule.with_children
            harness, prompt = ("shell", part.script()) if is_real else ("noop", part.prompt())
            task = {"ref": "one", "title": "one", "harness": harness, "prompt": prompt}
            await self._file((task,), f"one-at-{order.at}")
            return
        task_id = (await asyncio.shield(filed))[order.task]
        house = self._house
        try:
            await house.operator.insist(house.proxy.address, "POST", f"/api/tasks/{task_id}/{order.verb}")
        except Refused:
            return  # it has ended, or was never paused

    # --- blows ----------------------------------------------------------------------------------------------------

    async def _strike(self, hit: Hit) -> None:
        await asyncio.sleep(hit.at * self._lease_seconds)
        house = self._house
        if hit.blow is Blow.CUT_OFF:
            house.proxy.reset_all()
            return
        if hit.whom in self._busy or not house.processes[hit.whom].is_alive:
            return
        self._busy.add(hit.whom)
        try:
            child = house.processes[hit.whom]
            if hit.blow is Blow.STOP:
                child.stop()
                await asyncio.sleep(hit.span * self._lease_seconds)
                child.go_on()
                return
            number = signal.SIGKILL if hit.blow is Blow.KILL else signal.SIGTERM
            house.exits[hit.whom].append(await house.end(hit.whom, number))
            await asyncio.sleep(hit.span * self._lease_seconds)
            await house.start(hit.whom)
        finally:
            self._busy.discard(hit.whom)

    async def look_after(self) -> None:
        """As a supervisor does: after a while start again what has ended, and have go on what stands still."""
        async with asyncio.TaskGroup() as group:
            while True:
                for name, child in tuple(self._house.processes.items()):
                    if name not in self._busy and not child.is_alive:
                        self._busy.add(name)
                        group.create_task(self._start_again(name, child))
                    if child.pid not in self._still and not child.is_stopped and _stands_still(child):
                        self._still.add(child.pid)
                        group.create_task(self._have_go_on(child))
                await asyncio.sleep(_LOOK_SECONDS)

    async def _start_again(self, name: str, child: Child) -> None:
        house = self._house
        try:
            if name == SERVER:
                house.port = 0
            house.exits[name].append(await child.wait())
            await asyncio.sleep(self._dice.uniform(0.0, 0.3) * self._lease_seconds)
            await house.start(name)
        finally:
            self._busy.discard(name)

    async def _have_go_on(self, child: Child) -> None:
        await asyncio.sleep(self._dice.uniform(0.0, 1.4) * self._lease_seconds)
        child.go_on()
        self._still.discard(child.pid)

    # --- the end --------------------------------------------------------------------------------------------------

    async def _is_over(self) -> bool:
        """Every task has ended, every worker has told everything. Has resumed what is paused."""
        house = self._house
        if house.undelivered() or self._busy:
            return False  # the server need not be asked
        try:
            told = (await house.operator.call(house.address, "GET", "/api/overview"))["tasks"]
            if told["paused"]:
                await self._for_each("paused", "resume")
            elif told["blocked"] and not (told["pending"] + told["claimed"] + told["running"]):
                await self._for_each("blocked", "cancel")
        except (OSError, EOFError, TimeoutError, Refused):
            return False
        ended = told["completed"] + told["failed"] + told["cancelled"]
        return bool(ended == len(self.promised) and not house.undelivered() and not self._busy)

    async def _for_each(self, status: str, verb: str) -> None:
        house = self._house
        for task in (await house.operator.call(house.address, "GET", f"/api/tasks?status={status}"))["tasks"]:
            await house.operator.call(house.address, "POST", f"/api/tasks/{task['id']}/{verb}")

    async def _state(self) -> str:
        house = self._house
        try:
            page = await house.operator.call(house.address, "GET", "/api/tasks?limit=50")
            tasks = [(task["title"], task["status"], task["attempt"], task["agentId"]) for task in page["tasks"]]
        except (OSError, EOFError, TimeoutError) as exc:
            return f"the server does not answer: {exc!r}\n{house.last_words()}"
        return f"{tasks}, undelivered: {house.undelivered()}\n{house.last_words()}"


def _stands_still(child: Child) -> bool:
    """It was stopped by a signal, whoever sent it."""
    try:
        return Path(f"/proc/{child.pid}/stat").read_text().rpartition(") ")[2].startswith("T")
    except OSError:
        return False  # it has just ended


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group of groups."""
    return [
        leaf for exc in group.exceptions for leaf in (_leaves(exc) if isinstance(exc, BaseExceptionGroup) else [exc])
    ]
