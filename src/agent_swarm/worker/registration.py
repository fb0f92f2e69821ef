"""Exchanging the API key for the agent's own token, which stays in memory."""

from collections.abc import Sequence

from pydantic import ValidationError

from agent_swarm.domain.errors import Denied, InvalidInput, Unauthenticated
from agent_swarm.faults import crash_point
from agent_swarm.protocol.errors import ProtocolVersion, RemoteError
from agent_swarm.protocol.pool import LeaseRef, RegisterReply, RegisterRequest, Timing
from agent_swarm.worker.http import HttpLane
from agent_swarm.worker.link import KeyRefused, LinkLost, ProfileRefused

PATH = "/v1/pool/register"
PATIENCE_SECONDS = 30.0


class Registrar:
    """Holds the token. `profile` is what the agent says about itself, with the instance id of this process."""

    def __init__(self, url: str, api_key: str, profile: RegisterRequest) -> None:
        self._url = url
        self._api_key = api_key
        self._profile = profile
        self._was_registered = False
        self.token: str | None = None
        self.timing = Timing()
        self.mcp_path = ""  # empty until registered, and at servers that have no tools for agents

    def forget(self) -> None:
        """The server no longer takes the token: register again before the next connection."""
        self.token = None

    async def register(self, held: Sequence[LeaseRef]) -> RegisterReply:
        """Report for work with the leases held. Raises LinkLost, KeyRefused, ProfileRefused, or what the server said.

        Once registered, a key that is refused is no reason to give up what runs: the operator may be changing it right
        now.
        """
        request = self._profile.model_copy(update={"held": tuple(held)})
        lane = HttpLane(self._url, "register")
        try:
            answer = await lane.post(
                PATH, request.model_dump(mode="json"), token=self._api_key, patience=PATIENCE_SECONDS
            )
            reply = RegisterReply.model_validate(answer)
        except ValidationError as exc:
            raise RemoteError("the server's answer is no registration", hint="check MCP_BASE_URL") from exc
        except Denied as exc:
            hint = "set API_KEY to the key that the server was started with"
            if self._was_registered:
                raise LinkLost(f"the server no longer takes the API key: {exc.message}", hint=hint) from exc
            kind = "does not know the API key" if isinstance(exc, Unauthenticated) else "does not let this key register"
            raise KeyRefused(f"the server at {self._url} {kind}", hint=hint) from exc
        except ProtocolVersion:
            raise
        except InvalidInput as exc:
            raise ProfileRefused(f"the server does not accept this agent: {exc.message}", hint=exc.hint) from exc
        finally:
            lane.close()
        crash_point("worker.registered")
        self.token, self.timing, self._was_registered = reply.token, reply.timing, True
        self.mcp_path = reply.mcp
        return reply
