"""Harness `gemini` with the real Gemini CLI and a scripted model: nothing between them is pretended."""

from pathlib import Path

import pytest
from tests.harness.kept_contract import KeptContract

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import GEMINI
from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import ModelServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def harness(gemini_cli: Path) -> AcpHarness:
    return AcpHarness(GEMINI, str(gemini_cli), retries=0)


class TestKept(KeptContract):
    """What every agent CLI promises that is kept."""

    model_name = "gemini-2.5-pro"  # with `auto` it would ask another one which to take
    shell = "run_shell_command"
    key = "GEMINI_API_KEY"
    is_steered = False
    hides_keys = False
    tells_output = False
    counts_interrupted = False
    starts_within = 15.0

    def environment(self, folder: Path, model: ModelServer, **variables: str) -> dict[str, str]:
        keys = {"GEMINI_API_KEY": agent_cli.KEY, "GOOGLE_GEMINI_BASE_URL": model.url}
        return agent_cli.environment(folder, model.url, **{**keys, **variables})
