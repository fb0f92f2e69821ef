"""Harness `pi` with the real pi and a scripted model: nothing between them is pretended."""

from pathlib import Path

import pytest
from tests.harness.kept_contract import KeptContract

from agent_swarm.harness.pi import PiHarness
from agent_swarm.testing import agent_cli

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def harness(pi_cli: Path) -> PiHarness:
    return PiHarness(str(pi_cli), does_retry=False)


class TestKept(KeptContract):
    """What every agent CLI promises that is kept."""

    model_name = f"openai/{agent_cli.MODEL}"
    asked_meanwhile = 1
    effort = ":low"
