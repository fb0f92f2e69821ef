"""Harness `opencode` with the real opencode and a scripted model: nothing between them is pretended."""

from pathlib import Path
from typing import ClassVar

import pytest
from tests.harness.kept_contract import KeptContract

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import OPENCODE
from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import Fail
from agent_swarm.testing.model_server.replies import Reply

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def harness(opencode_cli: Path) -> AcpHarness:
    return AcpHarness(OPENCODE, str(opencode_cli))


class TestKept(KeptContract):
    """What every agent CLI promises that is kept."""

    model_name = f"openai/{agent_cli.MODEL}"
    echo = "swarm_echo"
    is_steered = False
    hides_keys = False
    keeps_keys = True
    counts_each_answer = False
    asked_beyond = 5  # it goes on while it is told to stop
    failing_headers: ClassVar[dict[str, str]] = {"retry-after-ms": "1"}  # it asks five times more
    starts_within = 15.0

    def silence(self) -> Reply:
        """It waits as long as the model says, and says nothing."""
        return Fail(429, headers={"retry-after": "3600"})
