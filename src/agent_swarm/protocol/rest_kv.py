"""The REST shapes of values under keys."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.domain.kv import COUNT_MAX, TTL_SECONDS
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Input, Output, at_most

Version = Annotated[int, Field(ge=0, le=COUNT_MAX, strict=True)]
Ttl = Annotated[float, Field(gt=0, le=TTL_SECONDS, strict=True)]


class KvInput(Input):
    """Body of `PUT /api/kv/{namespace}/{key}`: any JSON of at most 64 KiB.

    With `ifVersion` it is stored only where that is the version there; 0 says that nothing is.
    """

    value: Any
    if_version: Version | None = None
    ttl_seconds: Ttl | None = None  # how long it lives; for good where it is left out


class KvIncrement(Input):
    """Body of `POST /api/kv/{namespace}/{key}/increment`; `ttlSeconds` counts where the number is new."""

    by: Annotated[int, Field(ge=-COUNT_MAX, le=COUNT_MAX, strict=True)] = 1
    ttl_seconds: Ttl | None = None


class KvValue(Output):
    """A value. `version` grows with every write and never comes twice."""

    namespace: str
    key: str
    value: Any
    version: int
    expires_at: str | None
    created_at: str
    updated_at: str
    updated_by: str


class KvList(Output):
    """A page of the values of a namespace, by key."""

    values: Annotated[list[KvValue], at_most(limits.PAGE_MAX)]
    next_cursor: str | None
