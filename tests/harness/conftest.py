"""Sandboxes for harnesses: plain processes; also bubblewrap, where a module asks for it by `SANDBOXES`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_swarm.sandbox.base import Sandbox, SandboxProvider, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.sandbox.process import ProcessProvider

pytest.register_assert_rewrite("agent_swarm.testing.harness_contract", "tests.harness.kept_contract")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "provider" in metafunc.fixturenames:
        names = getattr(metafunc.module, "SANDBOXES", ("process",))
        marks = {"bubblewrap": pytest.mark.slow}  # the same once more
        params = [pytest.param(name, marks=marks.get(name, ())) for name in names]
        metafunc.parametrize("provider", params, indirect=True)


@pytest.fixture
async def provider(request: pytest.FixtureRequest) -> SandboxProvider:
    provider = ProcessProvider(use_cgroups=False) if request.param == "process" else BubblewrapProvider()
    probe = await provider.probe()
    if not probe.usable:
        pytest.skip(f"{provider.name} does not work on this host: {probe.detail}; {probe.remedy}")
    return provider


@pytest.fixture
async def sandbox(provider: SandboxProvider, tmp_path: Path) -> AsyncIterator[Sandbox]:
    for name in ("workspace", "state/agent"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    spec = SandboxSpec(
        run_id=f"run-{os.urandom(4).hex()}",
        workspace=tmp_path / "workspace",
        state_dir=tmp_path / "sandbox",
        writable=(tmp_path / "state" / "agent",),
        readable=(tmp_path / "state",),
    )
    sandbox = await provider.open(spec)
    yield sandbox
    await sandbox.close()
