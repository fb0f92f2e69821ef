"""The REST shapes of users and sessions: who one is, and what one has open."""

from typing import Annotated, Literal

from pydantic import Field

from agent_swarm.domain.roles import Role
from agent_swarm.protocol.limits import PAGE_MAX
from agent_swarm.protocol.rest import Id, Input, Output, Text

SECRET_CHARS = 2_048  # of a password, an API key, a token, as they are sent
SCOPES = 64

UserName = Annotated[Text, Field(min_length=1, max_length=64)]
Secret = Annotated[Text, Field(min_length=1, max_length=SECRET_CHARS)]


class LoginInput(Input):
    """Body of `POST /api/auth/token`: `username` and `password`, or `apiKey`, or `refreshToken`.

    With `cookie` the refresh token comes, and is taken, as a cookie that no script can read.
    """

    username: UserName | None = None
    password: Secret | None = None
    api_key: Secret | None = None
    refresh_token: Secret | None = None
    cookie: bool = False


class TokenReply(Output):
    """A pair of tokens. `accessToken` goes into the header Authorization; `refreshToken` is good for one next pair."""

    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(repr=False)  # null: it is in the cookie
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme, no secret
    expires_in: int  # seconds, of the access token
    role: Role


class RevokeInput(Input):
    """Body of `POST /api/auth/revoke`; without a field it is the session of the token that asks."""

    session_id: Id | None = None
    user: UserName | None = None  # all sessions of this user
    all: bool = False  # every session there is


class RevokeReply(Output):
    """Whether there was anything to end."""

    revoked: bool


class Me(Output):
    """Who asks."""

    actor: str  # `operator` or `user:<name>`, as in events
    role: Role
    session_id: str | None  # null: an API key has none
    scopes: Annotated[list[str], Field(json_schema_extra={"maxItems": SCOPES})]
    expires_at: str | None


class Session(Output):
    """A log-in that goes on."""

    id: str
    owner: str  # `user:<name>`, or `operator` where an API key began it
    address: str  # where it was begun
    created_at: str
    refreshed_at: str
    expires_at: str
    is_current: bool  # it is the one that asks


class SessionList(Output):
    """A page of the sessions."""

    sessions: Annotated[list[Session], Field(json_schema_extra={"maxItems": PAGE_MAX})]
    next_cursor: str | None


class RotateInput(Input):
    """Body of `POST /api/auth/keys/rotate`."""

    at_once: bool = False  # everybody has to log in again


class RotateReply(Output):
    """The key that signs from now on."""

    key_id: str


class UserInput(Input):
    """Body of `POST /api/users`."""

    name: UserName
    role: Role
    password: Secret


class UserPatch(Input):
    """Body of `PATCH /api/users/{name}`; what is left out stays."""

    role: Role | None = None
    password: Secret | None = None
    disabled: bool | None = None


class User(Output):
    """A person who may log in."""

    name: str
    id: str
    role: Role
    is_disabled: bool
    created_at: str
    password_set_at: str


class UserList(Output):
    """A page of the users, by name."""

    users: Annotated[list[User], Field(json_schema_extra={"maxItems": PAGE_MAX})]
    next_cursor: str | None
