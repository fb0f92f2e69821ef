"""Harness `noop`."""

import pytest

from agent_swarm.harness.noop import NoopHarness
from agent_swarm.testing.harness_contract import HarnessContract

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

SANDBOXES = ("process", "bubblewrap")


class TestNoop(HarnessContract):
    """The contract, and nothing else to say."""

    good = "anything"

    @pytest.fixture
    def harness(self) -> NoopHarness:
        return NoopHarness()
