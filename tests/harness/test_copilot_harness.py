"""Harness `copilot` with the real Copilot CLI and a scripted model: nothing between them is pretended."""

from pathlib import Path
from typing import ClassVar

import pytest
from tests.harness.kept_contract import KeptContract

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import COPILOT
from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import ModelServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def harness(copilot_cli: Path) -> AcpHarness:
    return AcpHarness(COPILOT, str(copilot_cli))


class TestKept(KeptContract):
    """What every agent CLI promises that is kept."""

    shell = "execute"  # the kind: what it calls its tools is not told
    echo = "swarm-echo"
    key = "COPILOT_PROVIDER_API_KEY"
    is_steered = False
    starts_within = 15.0
    failing_headers: ClassVar[dict[str, str]] = {"retry-after": "0"}  # it asks up to five times more

    def environment(self, folder: Path, model: ModelServer, **variables: str) -> dict[str, str]:
        return agent_cli.environment(folder, model.url, **{**agent_cli.copilot_at(model.url), **variables})
