"""Provider `bubblewrap`: the contract."""

import pytest

from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.testing.sandbox_contract import SandboxContract

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture
async def provider() -> BubblewrapProvider:
    provider = BubblewrapProvider()
    probe = await provider.probe()
    if not probe.usable:
        pytest.skip(f"bubblewrap does not work on this host: {probe.detail}; {probe.remedy}")
    return provider


class TestContract(SandboxContract):
    """The suite that every provider passes."""
