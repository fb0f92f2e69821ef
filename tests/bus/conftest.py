"""Real NATS servers, and swarms of nodes on them."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from agent_swarm.testing import nats

pytest.register_assert_rewrite("agent_swarm.testing.bus_contract")


def _require_nats() -> None:
    if nats.binary() is None and not os.environ.get("TEST_NATS_URL", "").strip():
        (pytest.fail if os.environ.get("SKIP_NOTHING") else pytest.skip)("nats-server is not installed: make dev")


@pytest.fixture(scope="session")
def nats_server() -> Iterator[str]:
    """The URL of a server that all tests share; swarms on it do not hear each other."""
    _require_nats()
    with nats.server() as url:
        yield url


@pytest.fixture
def nats_node() -> Iterator[nats.Nodes]:
    """A server of this test's own, which it may end and start again."""
    _require_nats()
    with nats.nodes(1) as started:
        yield started


@pytest.fixture
def nats_cluster() -> Iterator[nats.Nodes]:
    """Three servers of this test's own."""
    _require_nats()
    with nats.cluster() as started:
        yield started


@pytest.fixture
def cluster_id() -> str:
    """The id of a swarm that no other test has."""
    return uuid4().hex[:12]
