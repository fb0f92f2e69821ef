"""Harness `opencode` with the real opencode and a scripted model: nothing between them is pretended."""

from pathlib import Path
from typing import ClassVar

import pytest
from tests.harness.kept_contract import KeptContract

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import OPENCODE
from agent_swarm.testing import agent_cli

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
    counts_each_answer = False
    failures: ClassVar[dict[int, tuple[str, str]]] = {  # others it asks again and again, and says nothing
        401: ("infrastructure", "authentication"),
        404: ("policy", "unknownModel"),
    }
