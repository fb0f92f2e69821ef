"""Scripts of workflows, run on the server's machine: a fresh folder, an environment made of nothing, a sandbox.

What a script says goes into the transcript of its attempt. What it comes to is the end of what it printed, and the
JSON that it wrote into the file that `AGENT_SWARM_OUTPUT` names.
"""

import asyncio
import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent_swarm.domain.errors import SwarmError, Unavailable
from agent_swarm.sandbox.base import Launch, Network, NetworkMode, Process, SandboxProvider, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.sandbox.lines import Tail
from agent_swarm.sandbox.process import ProcessProvider
from agent_swarm.server.runner.recording import Recording
from agent_swarm.workflows.rendering import OUTPUT_CHARS

OUTPUT_FILE = "output.json"
OUTPUT_BYTES = 64 * 1024
_GRACE = timedelta(seconds=3)
_INHERITED = ("PATH", "LANG", "LANGUAGE", "TZ")


class NoSandbox(Unavailable):
    """This server cannot run scripts as it is told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is run, as which attempt, and for how long at most."""

    name: str  # of the run, in file names
    text: str
    variables: Mapping[str, str]
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended: the end of what it printed, the JSON that it left, and what went wrong, if anything."""

    output: str
    data: Any = None
    problem: str = ""
    code: str = ""


class Scripts:
    """Runs scripts below one folder."""

    def __init__(self, folder: Path, *, sandbox: str, network: str) -> None:
        self._folder = folder
        self._provider: SandboxProvider = BubblewrapProvider() if sandbox == "bubblewrap" else ProcessProvider()
        is_on = network == "on" or sandbox == "process"
        self._network = Network(mode=NetworkMode.ON if is_on else NetworkMode.OFF)
        self._probing: asyncio.Task[None] | None = None

    async def clear(self) -> None:
        """End and remove what an earlier process of this server left."""
        await self._provider.sweep(self._records)
        await asyncio.to_thread(shutil.rmtree, self._folder / "runs", ignore_errors=True)

    async def run(self, script: Script, recording: Recording) -> Ended:
        """Run a script to its end; where the caller is cancelled, every process of it ends. Raises NoSandbox."""
        await self._require_sandbox()
        home = self._folder / "runs" / script.name
        try:
            work, file = await asyncio.to_thread(_prepared, home, script.text)
            return await self._run_in(work, file, script, recording)
        finally:
            await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)

    async def _run_in(self, work: Path, file: Path, script: Script, recording: Recording) -> Ended:
        spec = SandboxSpec(
            run_id=script.name, workspace=work, state_dir=self._records, readable=(file,), network=self._network
        )
        environment = _environment(work, script.variables)
        sandbox = await self._provider.open(spec)
        try:
            process = await sandbox.start(Launch(argv=("sh", str(file)), cwd=work, env=environment))
            await process.close_input()
            return await _followed(process, work, script.timeout_seconds, recording)
        except asyncio.CancelledError:
            sandbox.kill()
            raise
        finally:
            await sandbox.close()

    async def _require_sandbox(self) -> None:
        """The provider works here; asked once."""
        if self._probing is None:
            self._probing = asyncio.ensure_future(self._probe())
        try:
            await asyncio.shield(self._probing)
        except SwarmError:
            self._probing = None  # it may be installed by the next time
            raise

    async def _probe(self) -> None:
        probe = await self._provider.probe()
        if not probe.usable:
            raise NoSandbox(
                f"sandbox {self._provider.name!r} does not work on this server: {probe.detail}",
                hint=f"{probe.remedy}; or set AGENT_SWARM_WORKFLOW_SANDBOX=process, which isolates nothing",
            )

    @property
    def _records(self) -> Path:
        return self._folder / "processes"


async def _followed(process: Process, work: Path, seconds: float, recording: Recording) -> Ended:
    tail = Tail(OUTPUT_CHARS)
    try:
        async with asyncio.timeout(seconds):
            async for line in process.lines():
                tail.feed(line + b"\n")
                recording.log("stdout", line)
            ended = await process.wait()
    except TimeoutError:
        await process.stop(_GRACE)
        return Ended(tail.text(), problem=f"the script was not done after {seconds:g} s", code="timeout")
    output = tail.text().removesuffix("\n")
    errors = process.error_tail()
    if errors:
        recording.log("stderr", errors.encode())
    if not ended.ok:
        last = f"; its last words: {errors.strip()[-1000:]}" if errors.strip() else ""
        return Ended(output, problem=f"the script ended with {ended.describe()}{last}", code="exitCode")
    try:
        return Ended(output, data=await asyncio.to_thread(_output, work / OUTPUT_FILE))
    except ValueError as exc:
        return Ended(output, problem=f"AGENT_SWARM_OUTPUT: {exc}", code="output")


def _prepared(home: Path, text: str) -> tuple[Path, Path]:
    shutil.rmtree(home, ignore_errors=True)
    work, file = home / "work", home / "script.sh"
    work.mkdir(mode=0o700, parents=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    return work, file


def _environment(work: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Everything that a script gets: a few variables of the server's own that are no secret, and what it was told."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = {"HOME": str(work), "TMPDIR": str(work), "AGENT_SWARM_OUTPUT": str(work / OUTPUT_FILE)}
    return {"PATH": os.defpath, **inherited, **variables, **own}


def _output(path: Path) -> Any:
    """The JSON that the script left; None where it left none. Raises ValueError. Links are not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ValueError(f"it cannot be read: {exc.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        content = file.read(OUTPUT_BYTES + 1)
    if len(content) > OUTPUT_BYTES:
        raise ValueError(f"it has more than {OUTPUT_BYTES} bytes")
    try:
        return json.loads(content) if content.strip() else None
    except (ValueError, RecursionError):
        raise ValueError("it holds no JSON") from None
