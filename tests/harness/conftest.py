"""A sandbox for harnesses: plain processes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_swarm.sandbox.base import Sandbox, SandboxSpec
from agent_swarm.sandbox.process import ProcessProvider

pytest.register_assert_rewrite("agent_swarm.testing.harness_contract")


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    (tmp_path / "workspace").mkdir(exist_ok=True)
    spec = SandboxSpec(run_id="run", workspace=tmp_path / "workspace", state_dir=tmp_path / "sandbox")
    sandbox = await ProcessProvider(use_cgroups=False).open(spec)
    yield sandbox
    await sandbox.close()
