"""What agents that speak the Agent Client Protocol say of a failing model, without any of them."""

from typing import Any

import pytest

from agent_swarm.harness.acp.outcomes import status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 401, "message": "no"}, 401),
        ({"code": -32000, "message": "Authentication required."}, 401),
        ({"code": -32603, "message": "Internal error: no", "data": {"statusCode": 429}}, 429),
        ({"code": -32603, "message": "Internal error: Incorrect API key provided: sk-x"}, 401),
        ({"code": -32603, "message": "Internal error: Rate limit reached for gpt-x"}, 429),
        ({"code": -32603, "message": "Internal error: The model `gpt-x` does not exist"}, 404),
        ({"code": 500, "message": "models/x is not found for API version v1beta"}, 404),
        ({"code": 500, "message": "Internal error encountered."}, 500),
        ({"code": 503, "message": "The model is overloaded."}, 529),
        ({"code": -32603, "message": "Internal error: something else"}, None),
    ],
    ids=lambda value: str(value.get("message")) if isinstance(value, dict) else None,
)
def test_given_an_error_of_an_agent_when_it_is_read_then_what_the_model_answered_is_known_as_far_as_it_is_told(
    error: dict[str, Any], status: int | None
) -> None:
    assert status_of(error) == status
