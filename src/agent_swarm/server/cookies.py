"""The one cookie there is: a refresh token that no script of a page can read.

It is sent to the log-in route alone, never along with a request that another site causes (SameSite=Strict), and it lets
nobody do anything but get the next access token, which that site could not read either.
"""

from starlette.requests import Request

NAME = "agent_swarm_refresh"
PATH = "/api/auth/token"
_ALWAYS = f"Path={PATH}; HttpOnly; SameSite=Strict"


def written(token: str, *, seconds: int, is_https: bool) -> str:
    """The value of Set-Cookie that keeps a refresh token for so long."""
    return f"{NAME}={token}; Max-Age={max(0, seconds)}; {_ALWAYS}" + ("; Secure" if is_https else "")


def removed() -> str:
    """The value of Set-Cookie that forgets it."""
    return f"{NAME}=; Max-Age=0; {_ALWAYS}"


def read(request: Request) -> str:
    """The refresh token that came as the cookie; empty where none did."""
    return request.cookies.get(NAME, "")


def is_https(request: Request) -> bool:
    """Whether the browser speaks TLS with us, or with a proxy that says so. Who lies about it hurts only himself."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
