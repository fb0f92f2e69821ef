"""A worker's sandbox `bubblewrap` for agent CLIs, and what an agent tries in it."""

import os
from pathlib import Path

import pytest

from agent_swarm.harness.base import Harness, PermissionMode, Permissions, Turn
from agent_swarm.sandbox.base import Network, NetworkMode, Sandbox, SandboxCapability, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider

LOOK = "cat {canary} 2>&1; echo mine > {workspace}/mine; touch {canary}.new {state}/{cli}/planted 2>&1"
# Straight there, and through the proxy that allows other hosts.
CALL = "curl -sS -m 3 -d x --noproxy '*' {url} 2>&1; curl -sS -m 3 -d x --noproxy '' {url} 2>&1"
LIST = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"


async def isolating() -> BubblewrapProvider:
    """The provider; the test is skipped where it cannot isolate the network."""
    provider = BubblewrapProvider()
    probe = await provider.probe()
    if SandboxCapability.NETWORK_ALLOWLIST not in provider.capabilities:
        pytest.skip(f"bubblewrap cannot isolate the network here: {probe.detail}; {probe.remedy}")
    return provider


async def opened(
    provider: BubblewrapProvider, harness: Harness, folder: Path, *own: str, model: str
) -> tuple[Sandbox, Turn]:
    """A sandbox as a worker makes it, and a turn in it."""
    home, workspace, state = (folder / name for name in ("home", "workspace", "state"))
    for one in (home, workspace, state / "agent" / "tmp"):
        one.mkdir(parents=True)
    spec = SandboxSpec(
        run_id=f"run-{os.urandom(4).hex()}",
        workspace=workspace,
        state_dir=folder / "records",
        writable=(state / "agent",),
        readable=(state, *harness.grants.readable),
        network=Network(mode=NetworkMode.ALLOW, own=own),
    )
    turn = Turn(
        task_id="0198b2a4-0000-7000-8000-000000000001",
        attempt=1,
        prompt="look around",
        workspace=workspace,
        state_dir=state,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(state / "agent" / "tmp")},
        model=model,
        permissions=Permissions(mode=PermissionMode.ALL),
    )
    return await provider.open(spec), turn
