"""One command under its supervisor: start it, talk to it, end it, and clear up after it.

    worker ── socket pair (control.py) ── supervisor ── command ── its descendants
       └─────────── three pipes (pipes.py) ────────────────┘

With an enclosure (link.py) the supervisor is the first process of a PID namespace in it, and what is taken for the
supervisor's pid out here is the enclosure's: it dies with its worker, and the namespace with it.

Ending is a ladder. The supervisor is asked first, because it alone sees every descendant. One that does not answer
(stopped, or killed by its own run) is killed, and `leftovers` ends what it had below it.
"""

import asyncio
import errno
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from agent_swarm.sandbox import cgroup, leftovers, processtree
from agent_swarm.sandbox.base import Exit, Launch
from agent_swarm.sandbox.control import LaunchOrder
from agent_swarm.sandbox.errors import StartFailed, SurvivingProcesses
from agent_swarm.sandbox.gate import Gate
from agent_swarm.sandbox.lines import Tail
from agent_swarm.sandbox.link import Enclosure, SupervisorLink
from agent_swarm.sandbox.pipes import Streams
from agent_swarm.sandbox.records import Identity, ProcessRecord, markers

START_PATIENCE = timedelta(seconds=60)  # for an interpreter to start on a host that is busy with everything else
ANSWER_PATIENCE = timedelta(seconds=1)  # for a supervisor to have killed everything: it takes milliseconds
DEFAULT_GRACE = timedelta(seconds=5)  # when somebody else sends the supervisor a SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one process needs to know of its sandbox."""

    name: str  # unique among all processes ever started under `state_dir`
    run_id: str
    state_dir: Path
    cgroup_home: Path | None
    enclosure: Enclosure | None = None
    gate: Gate | None = None


class SupervisedProcess:
    """Meets `sandbox.base.Process`."""

    def __init__(self, link: SupervisorLink, streams: Streams, record: ProcessRecord, place: Place) -> None:
        self._link = link
        self._streams = streams
        self._record = record
        self._state_dir = place.state_dir
        self._is_enclosed = place.enclosure is not None
        self._gate = place.gate
        self._error_tail = Tail()
        self._error_pump = asyncio.create_task(streams.errors.read_into(self._error_tail))
        self._end: asyncio.Task[Exit]
        self._pid = 0

    @classmethod
    async def start(cls, launch: Launch, place: Place) -> Self:
        """Start the command; returns once it runs under its own pid. Raises StartFailed."""
        try:
            link, streams = await SupervisorLink.open(markers(place.run_id, place.name), place.enclosure)
        except OSError as exc:
            hint = "see ulimit -u and ulimit -n on the worker's host"
            raise StartFailed(f"the worker cannot start one more process: {exc}", hint=hint) from exc
        process = cls(link, streams, _record(link.pid, place), place)
        try:
            await asyncio.wait_for(process._launch(launch, place), START_PATIENCE.total_seconds())
        except BaseException as exc:
            await process._abandon()
            if not isinstance(exc, TimeoutError):
                raise
            late = f"{launch.argv[0]!r} did not start within {START_PATIENCE.seconds} s"
            raise StartFailed(late, hint="look at the load of the worker's host") from exc
        process._end = asyncio.create_task(process._follow())
        return process

    @property
    def pid(self) -> int:
        """The command's own pid, not its supervisor's."""
        return self._pid

    @property
    def has_ended(self) -> bool:
        """Nothing of it is left."""
        return self._end.done()

    def lines(self) -> AsyncIterator[bytes]:
        """Its standard output; to be read once."""
        return self._streams.output.lines()

    def error_tail(self) -> str:
        """The last of its standard error; complete once `wait` has returned."""
        return self._error_tail.text()

    async def write(self, data: bytes) -> None:
        """Send to its standard input; waits while it reads slower than we send, so read its output meanwhile."""
        await self._streams.input.write(data)

    async def close_input(self) -> None:
        """Let it see the end of its input, after what was sent."""
        self._streams.input.close()

    async def wait(self) -> Exit:
        """How it ended, once nothing of it is left. Raises SurvivingProcesses."""
        return await asyncio.shield(self._end)

    def interrupt(self) -> None:
        """SIGINT to the command alone; through the supervisor, which knows whether the pid is still the command's."""
        self._link.order("interrupt")

    async def stop(self, grace: timedelta) -> Exit:
        """SIGTERM to all, SIGKILL to what is left after `grace`."""
        self._link.order(f"stop {grace.total_seconds()}")
        return await self._insist(grace + ANSWER_PATIENCE)

    def kill_now(self) -> None:
        """SIGKILL to all, without waiting for it: an enclosure dies with all that is in it, and needs no supervisor."""
        if self._is_enclosed:
            self._link.kill()
        else:
            self._order_kill()

    def _order_kill(self) -> None:
        if self._record.cgroup is not None and not self.has_ended:
            cgroup.Leaf(self._record.cgroup).kill()  # the supervisor does it too, a little later
        self._link.order("kill")

    async def kill(self) -> Exit:
        """SIGKILL to all."""
        self._order_kill()
        return await self._insist(ANSWER_PATIENCE)

    async def close(self) -> None:
        """Kill it and let go of its streams."""
        try:
            await self.kill()
        finally:
            self._streams.close()

    async def _launch(self, launch: Launch, place: Place) -> None:
        try:
            self._record.write(place.state_dir)  # before the order: a worker that dies from here on leaves a trace
        except OSError as exc:
            raise StartFailed(f"cannot record a process under {str(place.state_dir)!r}: {exc}") from exc
        env = {**launch.env, **markers(place.run_id, place.name)}
        has_leaf = self._record.cgroup is not None and _made(self._record.cgroup)
        await self._link.launch(
            LaunchOrder(
                argv=[os.fsencode(argument) for argument in launch.argv],
                cwd=os.fsencode(launch.cwd),
                env={os.fsencode(name): os.fsencode(value) for name, value in env.items()},
                cgroup=str(self._record.cgroup) if has_leaf else None,
                grace=DEFAULT_GRACE.total_seconds(),
                way=self._gate.way if self._gate else -1,
                listen=self._gate.addresses if self._gate else None,
            )
        )
        match await self._link.report():
            case ["started", pid]:
                if self._gate is not None:
                    await self._gate.open()
                self._pid = self._seen_from_here(int(pid))
            case ["failed", step, number]:
                raise _start_failed(launch, step, int(number))
            case _:
                await self._link.ended()
                await asyncio.wait([self._error_pump], timeout=ANSWER_PATIENCE.total_seconds())
                said = self.error_tail().strip() or "it said nothing"
                raise StartFailed(f"the supervisor died before it started {launch.argv[0]!r}: {said}")

    def _seen_from_here(self, pid: int) -> int:
        """What a PID namespace calls `pid` has another number out here; the enclosure's where it has ended already."""
        if not self._is_enclosed:
            return pid
        return processtree.known_inside_as(pid, below=self._link.pid) or self._link.pid

    async def _follow(self) -> Exit:
        """Listen to the supervisor until it is gone, then see to it that nothing is left, not even a record."""
        end = None
        is_alone = False
        while (report := await self._link.report()) is not None:
            match report:
                case ["exited", code] if code.isdecimal():
                    end = Exit(int(code))
                case ["signalled", number] if number.isdecimal():
                    end = Exit(None, int(number))
                case ["alone"]:
                    is_alone = True
        await self._link.ended()
        if self._gate is not None:
            await self._gate.close()
        await self._clear_up(is_alone=is_alone)
        return end or Exit(None, signal.SIGKILL)  # the supervisor was killed, and the command with it

    async def _clear_up(self, *, is_alone: bool) -> None:
        if is_alone:
            await leftovers.remove_leaf(self._record)
        else:
            await leftovers.end(self._record)
        # All writers are dead, so the pipe ends; unless one of them gave it to a process that is not of this run.
        await asyncio.wait([self._error_pump], timeout=ANSWER_PATIENCE.total_seconds())
        self._record.remove(self._state_dir)

    async def _insist(self, patience: timedelta) -> Exit:
        """Wait for the end; a supervisor that has not brought it about by then is killed with all it has below it."""
        try:
            return await asyncio.wait_for(self.wait(), patience.total_seconds())
        except TimeoutError:
            processtree.kill_tree(self._link.pid)  # while the kernel still shows what belongs to it
            self._link.kill()
        try:
            return await asyncio.wait_for(self.wait(), 2 * leftovers.PATIENCE.total_seconds())
        except TimeoutError:
            raise SurvivingProcesses(
                f"the supervisor {self._link.pid} of run {self._record.run_id!r} outlived SIGKILL",
                hint="it waits for the kernel: see ps -o pid,stat,wchan",
            ) from None

    async def _abandon(self) -> None:
        """Undo a start that did not come to its end."""
        processtree.kill_tree(self._link.pid)
        self._link.kill()
        await self._link.ended()
        if self._gate is not None:
            await self._gate.close()
        self._error_pump.cancel()
        self._streams.close()
        await leftovers.end(self._record)
        self._record.remove(self._state_dir)


def _record(supervisor: int, place: Place) -> ProcessRecord:
    return ProcessRecord(
        name=place.name,
        run_id=place.run_id,
        boot_id=processtree.boot_id(),
        worker=Identity.of(os.getpid()),
        supervisor=Identity.of(supervisor),
        cgroup=cgroup.path_of(place.cgroup_home, place.name) if place.cgroup_home else None,
    )


def _made(path: Path) -> bool:
    """Whether the cgroup could be made; where not, the supervisor manages by its walk."""
    try:
        path.mkdir()
    except OSError:
        return False
    return True


def _start_failed(launch: Launch, step: str, number: int) -> StartFailed:
    """Say which of the things that a start needs is missing."""
    program, reason = launch.argv[0], os.strerror(number)
    if step == "directory":
        return StartFailed(
            f"cannot start {program!r} in {str(launch.cwd)!r}: {reason}",
            hint="the working directory must exist and be accessible; was the workspace prepared?",
        )
    if step == "door":
        return StartFailed(
            f"cannot start {program!r}: no way out of its network could be opened: {reason}",
            hint="does the list of allowed hosts name a loopback address that this host does not have?",
        )
    if number == errno.ENOENT:
        return StartFailed(
            f"cannot start {program!r}: there is no such program in PATH {launch.env.get('PATH', os.defpath)!r}",
            hint=f"install {program!r} on the worker's host, or set PATH in the environment of the run",
        )
    return StartFailed(f"cannot start {program!r}: {reason}", hint="it must be an executable file of this host's kind")
