"""Harness `opencode` with the real opencode and a scripted model: nothing between them is pretended."""

from pathlib import Path

import pytest
from tests.harness.kept_contract import KeptContract

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import OPENCODE
from agent_swarm.testing import agent_cli

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def harness(opencode_cli: Path) -> AcpHarness:
    return AcpHarness(OPENCODE, str(opencode_cli))


class TestWork(KeptContract):
    """What every agent CLI promises of its work."""

    model_name = f"openai/{agent_cli.MODEL}"
    echo = "swarm_echo"
    is_steered = False
    hides_keys = False
    keeps_keys = True
    counts_each_answer = False
