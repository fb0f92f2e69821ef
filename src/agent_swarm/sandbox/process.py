"""Provider `process`: a run is plain processes of the worker's own user.

It isolates nothing: a run sees the user's files and the network. What it promises is that nothing of a run is left
behind, daemons included, and that a run is given nothing of the worker's environment.
"""

import asyncio
import os
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from agent_swarm.sandbox import cgroup, leftovers, processtree
from agent_swarm.sandbox.admission import admit
from agent_swarm.sandbox.base import Launch, Probe, SandboxCapability, SandboxSpec
from agent_swarm.sandbox.errors import SandboxError
from agent_swarm.sandbox.supervised import Place, SupervisedProcess

_PROBE_PATIENCE = timedelta(seconds=10)


class ProcessProvider:
    """Meets `sandbox.base.SandboxProvider`. Uses cgroups where they can be had, unless told not to."""

    name = "process"

    def __init__(self, *, use_cgroups: bool = True) -> None:
        self._cgroup_home = cgroup.find_home() if use_cgroups else None

    @property
    def capabilities(self) -> frozenset[SandboxCapability]:
        """Off Linux a daemon escapes, so nothing is claimed there."""
        return frozenset({SandboxCapability.REAPS_DESCENDANTS}) if processtree.IS_LINUX else frozenset()

    async def probe(self) -> Probe:
        """Run one short command the way a task's would be."""
        if sys.platform == "win32":
            return Probe(False, "plain processes need a POSIX system", "run the worker inside WSL")
        try:
            with tempfile.TemporaryDirectory(prefix="agent-swarm-probe-") as folder:
                ended = await asyncio.wait_for(self._try_in(Path(folder)), _PROBE_PATIENCE.total_seconds())
        except (SandboxError, OSError, TimeoutError) as exc:
            return Probe(False, f"a trial run failed: {exc}", "the worker's user must be able to start python and sh")
        return Probe(ended, self._how_runs_end(), "")

    async def open(self, spec: SandboxSpec) -> "ProcessSandbox":
        """A place for one run. Nothing is started yet."""
        admit(spec, self.name, self.capabilities)
        return ProcessSandbox(spec, self._cgroup_home)

    async def sweep(self, state_dir: Path) -> int:
        """End what a killed worker left running as recorded under `state_dir`, nothing else; how many processes."""
        return await leftovers.end_abandoned(state_dir)

    async def _try_in(self, folder: Path) -> bool:
        sandbox = await self.open(SandboxSpec(run_id="probe", workspace=folder, state_dir=folder))
        try:
            process = await sandbox.start(Launch(argv=("sh", "-c", "exit 0"), cwd=folder, env={"PATH": os.defpath}))
            return (await process.wait()).ok
        finally:
            await sandbox.close()

    def _how_runs_end(self) -> str:
        if not processtree.IS_LINUX:
            return "runs end by process group: a daemon that leaves its group survives"
        if self._cgroup_home is None:
            return "runs end by child subreaper: no writable cgroup2 directory here"
        return f"runs end by cgroup.kill below {self._cgroup_home}"


class ProcessSandbox:
    """One run's processes. Meets `sandbox.base.Sandbox`; other providers put each process into something."""

    def __init__(self, spec: SandboxSpec, cgroup_home: Path | None) -> None:
        self._spec = spec
        self._cgroup_home = cgroup_home
        self._processes: list[SupervisedProcess] = []
        self._is_closed = False

    async def start(self, launch: Launch) -> SupervisedProcess:
        """Start one process; the run's environment is `spec.env`, then `launch.env`. Raises StartFailed."""
        if self._is_closed:
            raise SandboxError(f"the sandbox of run {self._spec.run_id!r} is closed", hint="open another one")
        place = Place(
            name=f"{self._spec.run_id}-{os.urandom(4).hex()}",
            run_id=self._spec.run_id,
            state_dir=self._spec.state_dir,
            cgroup_home=self._cgroup_home,
        )
        launch = replace(launch, env={**self._spec.env, **launch.env})
        process = await self._start_in(place, launch)
        self._processes.append(process)
        return process

    async def _start_in(self, place: Place, launch: Launch) -> SupervisedProcess:
        return await SupervisedProcess.start(launch, place)

    def kill(self) -> None:
        """SIGKILL to everything in it, now, without waiting for the end; `close` waits."""
        for process in self._processes:
            process.kill_now()

    async def close(self) -> None:
        """Kill what still runs and free what the sandbox holds; idempotent, and safe before the first start."""
        self._is_closed = True
        processes, self._processes = self._processes, []
        endings = await asyncio.gather(*(process.close() for process in processes), return_exceptions=True)
        for ending in endings:
            if isinstance(ending, BaseException):
                raise ending
