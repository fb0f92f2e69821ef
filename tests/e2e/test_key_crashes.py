"""A server that is killed at any point of a change of keys opens everything when it is started again."""

from contextlib import suppress
from typing import Any

import pytest

from agent_swarm.faults import Point
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.real_swarm import RealSwarm
from agent_swarm.vault.keys import parse_key

pytestmark = pytest.mark.slow

POINTS = [point for point in Point if point.name.startswith("KEY")]
VALUES = {f"KEY_{number}": f"value number {number}" for number in range(120)}
SEALED = len(VALUES) + 1  # with the key that signs tokens of sessions


def values(swarm: RealSwarm) -> dict[str, str]:
    page = swarm.call("GET", "/api/config?includeSecrets=true&limit=200")
    return {entry["key"]: entry["value"] for entry in page["entries"]}


def log_in(swarm: RealSwarm, **how: str) -> Any:
    """A pair of tokens."""
    return swarm.call("POST", "/api/auth/token", how)


def is_settled(status: Any) -> bool:
    return len(status["dataKeys"]) == 1 and status["nextMasterKeyId"] is None


@pytest.mark.parametrize("point", POINTS)
def test_given_a_server_that_is_killed_while_its_keys_change_when_it_starts_again_then_nothing_is_lost_and_all_is_done(
    swarm: RealSwarm, point: Point
) -> None:
    folder = swarm.folder / "server"
    told = swarm.folder / "told"
    armed = swarm.folder / "armed"
    swarm.start_server(crash=Crash(point=point, told=str(told), armed_by=str(armed)))
    for key, value in VALUES.items():
        swarm.call("PUT", "/api/config", {"scope": "global", "key": key, "value": value, "isSecret": True})
    tokens = log_in(swarm, apiKey=swarm.key)
    before = swarm.call("GET", "/api/keys")
    armed.touch()

    with suppress(OSError):  # killed before it could answer
        swarm.call("POST", "/api/keys/rotate", {"dataKey": True})
    assert swarm.wait_for_server() == -9
    assert told.read_text() == f"{point}\n"

    swarm.start_server()
    assert values(swarm) == VALUES
    tokens = log_in(swarm, refreshToken=tokens["refreshToken"])  # whoever was logged in still is
    swarm.wait_until(lambda: is_settled(swarm.call("GET", "/api/keys")), "the change is over")
    after = swarm.call("GET", "/api/keys")
    assert after["dataKeys"][0]["version"] == 2
    assert after["masterKeyId"] == parse_key((folder / ".encryption-key").read_text()).id
    assert [path.name for path in folder.glob(".enc*")] == [".encryption-key"]
    was_begun = point not in (Point.KEY_TORN, Point.KEY_STAGED)
    if point not in (Point.KEY_RESEALING, Point.KEY_RESEALED):  # these may come before or after the master key's
        assert (after["masterKeyId"] != before["masterKeyId"]) == was_begun
    assert swarm.call("POST", "/api/keys/verify") == {
        "dataKeys": 1,
        "values": SEALED,
        "unreadable": [],
        "unreadableCount": 0,
    }
    assert values(swarm) == VALUES
    assert log_in(swarm, refreshToken=tokens["refreshToken"])["role"] == "admin"
    swarm.call("POST", "/api/keys/rotate", {})  # the next change begins as if nothing had happened
    assert values(swarm) == VALUES
