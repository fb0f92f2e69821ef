"""A worker that opens a sandbox, runs one script in it and waits to be killed. The tests start it as a process."""

import asyncio
import os
import sys
from pathlib import Path

from agent_swarm.sandbox.base import Launch, SandboxProvider, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.sandbox.process import ProcessProvider


async def main(use: str, run_id: str, workspace: str, state_dir: str, script: str) -> None:
    provider: SandboxProvider = (
        BubblewrapProvider() if use == "bubblewrap" else ProcessProvider(use_cgroups=use == "cgroup")
    )
    await provider.probe()
    sandbox = await provider.open(SandboxSpec(run_id=run_id, workspace=Path(workspace), state_dir=Path(state_dir)))
    env = {"PATH": os.environ["PATH"]}
    process = await sandbox.start(Launch(argv=("sh", "-c", script), cwd=Path(workspace), env=env))
    await process.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
