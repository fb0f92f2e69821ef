"""A worker without privileges: probes bubblewrap, runs a script in it, and prints what came of both as JSON.

Started by a test as another user, with the system's interpreter: standard library and the package's sources only.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from agent_swarm.sandbox.base import Launch, Network, NetworkMode, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider


async def main(folder: Path, script: str) -> None:
    provider = BubblewrapProvider()
    probe = await provider.probe()
    said: dict[str, object] = {"usable": probe.usable, "detail": probe.detail, "uid": os.getuid()}
    if probe.usable:
        spec = SandboxSpec(
            run_id="plain",
            workspace=folder / "workspace",
            state_dir=folder / "state",
            network=Network(mode=NetworkMode.ALLOW),
        )
        sandbox = await provider.open(spec)
        env = {"PATH": os.defpath, "HOME": str(folder / "home")}
        process = await sandbox.start(Launch(argv=("sh", "-c", script), cwd=spec.workspace, env=env))
        said["lines"] = [line.decode() async for line in process.lines()]
        said["exit"] = (await process.wait()).describe()
        said["errors"] = process.error_tail()
        await sandbox.close()
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
