"""One server, its workers, and the proxy between them, as processes of a nursery, in a folder of their own."""

import asyncio
import itertools
import os
import random
import re
import shutil
import signal
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent_swarm.domain.ids import new_id
from agent_swarm.testing.faults import roles
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.faults.nursery import Child, Nursery
from agent_swarm.testing.faults.operator import Address, Operator
from agent_swarm.testing.faults.proxy import Fault, FaultyProxy
from agent_swarm.testing.faults.schedule import SERVER
from agent_swarm.testing.waiting import until

_LISTENS = re.compile(rb"API: http://[\d.]+:(\d+)")
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.2
# Every server has an address of its own, so that nobody who looks for one that is gone finds another's.
_HOSTS = (f"127.{os.getpid() % 200 + 20}.{number // 250 % 250}.{number % 250 + 1}" for number in itertools.count())
_POOR = re.compile(r'Traceback|"level": ?"critical"|_crashed"|batch_failed|listener_failed|service_failed|frame_failed')


class House:
    """Start what is needed; `close` ends what still runs."""

    def __init__(
        self,
        nursery: Nursery,
        folder: Path,
        dice: random.Random,
        *,
        odds: Mapping[Fault, float] | None = None,
        crashes: Mapping[str, tuple[Crash | None, ...]] | None = None,
        role: str = roles.PUPPETEER,
        slots: int = 1,
    ) -> None:
        self.folder = folder
        self.port = 0  # of the server, 0 while it has none
        self.host = next(_HOSTS)
        self.operator = Operator(nursery.key)
        self.proxy = FaultyProxy(lambda: (self.host, self.port), dice, odds or {}, latest=nursery.lease_seconds / 2)
        self.processes: dict[str, Child] = {}
        self.exits: dict[str, list[int]] = defaultdict(list)
        self.ids: dict[str, str] = {}
        self.reached = folder / "reached"  # points at which processes died or stood still
        self._nursery = nursery
        self._crashes = {name: iter(planned) for name, planned in (crashes or {}).items()}
        self._role = role
        self._slots = slots
        self._starts = itertools.count(1)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> Address:
        """Where the server listens."""
        return self.host, self.port

    @property
    def data_dir(self) -> Path:
        """The server's."""
        return self.folder / "server"

    async def start_server(self, template: Path | None = None, crash: Crash | None = None) -> Child:
        """Start it and wait until it serves, or has died of its crash. `template` is a data directory to begin with."""
        if template is not None:
            shutil.copytree(template, self.data_dir)
        about = {"data_dir": str(self.data_dir), "host": self.host}
        child = await self._start(SERVER, roles.SERVER, {}, crash, about)
        await until(lambda: not child.is_alive or _LISTENS.search(child.log.read_bytes()), _START_SECONDS)
        found = _LISTENS.search(child.log.read_bytes())
        self.port = int(found[1]) if child.is_alive and found else 0
        return child

    async def start_worker(self, name: str, crash: Crash | None = None, **variables: str) -> Child:
        """Start a worker, or start it again as the same agent."""
        agent_id = self.ids.setdefault(name, new_id())
        given = {
            "MCP_BASE_URL": f"http://127.0.0.1:{self.proxy.port}",
            "AGENT_ID": agent_id,
            "AGENT_NAME": name,
            "AGENT_SWARM_WORKER_DIR": str(self.folder / "workers"),
            "AGENT_SWARM_SANDBOX": "process",
            "HARNESS_PROVIDER": "noop",
            "MAX_CONCURRENT_TASKS": str(self._slots),
            "SHUTDOWN_TIMEOUT": "50",
        }
        return await self._start(name, self._role, given | variables, crash)

    async def start(self, name: str) -> Child:
        """Start the server or a worker again."""
        return await (self.start_server() if name == SERVER else self.start_worker(name))

    async def end(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """End a process by a signal and wait for that; its exit code."""
        child = self.processes[name]
        if name == SERVER:
            self.port = 0
        child.go_on()
        child.send(number)
        ending = asyncio.ensure_future(child.wait())
        while not (await asyncio.wait({ending}, timeout=_LOOK_SECONDS))[0]:
            child.go_on()  # on its way out it may have come to a point at which it is to stand still
        return ending.result()

    async def until(self, holds: Callable[[], Any], what: str, within: float) -> None:
        """Look until it is so. AssertionError with the last words of all processes where it does not become so."""
        try:
            await until(holds, within)
        except AssertionError:
            raise AssertionError(f"not within {within} s: {what}\n{self.last_words()}") from None

    def complaints(self) -> list[str]:
        """What processes said about themselves that none should ever have to say."""
        found = []
        for path in sorted(self.folder.glob("*.log")):
            text = path.read_text(encoding="utf-8", errors="replace")
            if poor := _POOR.search(text):
                found.append(f"{path.name}: {text[max(0, poor.start() - 300) : poor.start() + 3000]}")
        return found

    def undelivered(self) -> list[Path]:
        """Attempts that the server has not heard the end of; their folder, where one went while it was looked at."""
        workers = self.folder / "workers"
        try:
            return [path for path in workers.glob("*/attempts/*/*") if path.is_dir()]
        except FileNotFoundError:
            return [workers]

    def last_words(self, length: int = 1500) -> str:
        """The ends of all logs."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-length:]}" for path in logs)

    async def close(self) -> None:
        """Kill what still runs."""
        await self.proxy.close()
        await asyncio.gather(*(child.kill() for child in self.processes.values() if child.is_alive))

    async def _start(
        self,
        name: str,
        role: str,
        variables: Mapping[str, str],
        crash: Crash | None,
        arguments: Mapping[str, str] | None = None,
    ) -> Child:
        planned = crash or next(self._crashes.get(name, iter(())), None)
        child = await self._nursery.start(
            role,
            {"PATH": os.environ["PATH"], "HOME": str(self.folder), "API_KEY": self._nursery.key, **variables},
            log=self.folder / f"{name}.{next(self._starts)}.log",
            crash=replace(planned, told=str(self.reached)) if planned is not None else None,
            arguments=arguments,
        )
        child.log.touch()
        self.processes[name] = child
        return child


async def new_server_folder(nursery: Nursery, folder: Path) -> Path:
    """The data directory of a server that has been started once: making the tables takes longer than copying them."""
    house = House(nursery, folder, random.Random(0))
    await house.start_server()
    await house.end(SERVER, signal.SIGTERM)
    await house.close()
    return house.data_dir
