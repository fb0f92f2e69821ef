"""The conformance suite lives in the package: show its assertions in full as those of any test."""

import pytest

pytest.register_assert_rewrite("agent_swarm.testing.sandbox_contract", "agent_swarm.testing.isolation_contract")
