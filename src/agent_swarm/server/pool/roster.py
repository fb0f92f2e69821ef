"""Which processes are connected, and what they have to hear of what others do."""

from collections.abc import Callable

from agent_swarm.domain.errors import Conflict, ShuttingDown, SwarmError, Unauthenticated
from agent_swarm.domain.kill_switch import Switch, SwitchScope
from agent_swarm.protocol.pool import FrameType
from agent_swarm.server.killing.board import SwitchBoard, activated
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.presence import Presence
from agent_swarm.store.base import Committed, Store
from agent_swarm.store.families.project_copies import ReportCopy, asked_of, failed_copy
from agent_swarm.store.records import Event
from agent_swarm.store.refusals import superseded

ENDS_REMEMBERED = 1_024  # many more than happen between the look-up of a token and the entry of its process


class Replaced(Conflict):
    """The same process has connected again; this connection is not used any more."""


class Roster:
    """At most one presence per agent: the process that connected last."""

    def __init__(self, store: Store, board: SwitchBoard, on_enter: Callable[[Presence], None] = lambda _: None) -> None:
        self._store = store
        self._board = board
        self._on_enter = on_enter  # for other servers to be told
        self._by_agent: dict[str, Presence] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._ended: dict[str, tuple[int, SwarmError]] = {}  # tokens and processes, lately: some may be coming in

    def open(self) -> None:
        """Follow what is committed."""
        self._unsubscribe = self._store.subscribe(self._on_committed)

    def close(self) -> None:
        """Follow no more; idempotent."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def __len__(self) -> int:
        return len(self._by_agent)

    def enter(self, presence: Presence) -> None:
        """This is where the agent is from now on. Raises where its token or process came to an end on its way in."""
        for what in (presence.identity.token_id, presence.instance_id):
            ended_at, refusal = self._ended.get(what, (-1, None))
            if refusal is not None and ended_at >= presence.met_at:
                raise refusal
        before = self._by_agent.get(presence.agent.id)
        self._by_agent[presence.agent.id] = presence
        if before is not None:
            before.end(Replaced("the same worker has connected again", hint="one connection per worker is enough"))
        self._on_enter(presence)
        for switch in self._board.covering(presence.agent):  # before anything else is said
            _kill(presence, switch)

    def moved(self, agent_id: str, instance_id: str, *, at: int) -> None:
        """The process came in at another server at that instant; the connection here is not used any more."""
        presence = self.of(agent_id, instance_id)
        if presence is not None and presence.met_at < at:
            presence.end(Replaced("the same worker has connected elsewhere", hint="one connection is enough"))

    def leave(self, presence: Presence) -> None:
        """It is gone; one that came after it is not touched."""
        if self._by_agent.get(presence.agent.id) is presence:
            del self._by_agent[presence.agent.id]

    def here(self, agent_id: str) -> Presence | None:
        """Where the agent is, whichever process."""
        return self._by_agent.get(agent_id)

    def is_here(self, agent_id: str) -> bool:
        """Whether the agent is connected to this server."""
        return agent_id in self._by_agent

    def agents(self) -> tuple[str, ...]:
        """The agents that are connected to this server."""
        return tuple(self._by_agent)

    def of(self, agent_id: str | None, instance_id: str | None) -> Presence | None:
        """Where this process of the agent is."""
        presence = self._by_agent.get(agent_id or "")
        return presence if presence is not None and presence.instance_id == instance_id else None

    def dismiss_all(self) -> None:
        """The server goes."""
        for presence in tuple(self._by_agent.values()):
            presence.end(ShuttingDown("the server is shutting down", hint="connect again in a moment"))

    def _on_committed(self, committed: Committed) -> None:
        for event in committed.events:
            match event.type:
                case "task.cancelled" | "task.pauseRequested" | "task.killed":
                    self._command(event)
                case "project.copyAsked":
                    self._have_it_sync(event)
                case "killSwitch.activated":
                    self._kill_covered(activated(event))
                case "killSwitch.lifted":
                    self._have_them_register_again(event)
                case "agent.registered":
                    self._supersede(event)
                case "swarm.joined" | "swarm.left":
                    self._move(event)
                case "token.revoked":
                    self._revoke(event)
                case "agent.superseded":
                    self._note_end(event.data["instanceId"], event.at, superseded(event.subject_id))
                case "agent.signedOff":
                    self._note_end(event.data["instanceId"], event.at, _revoked())

    def _kill_covered(self, switch: Switch) -> None:
        """Tell everybody at once; who is not connected hears of it when it comes in."""
        for presence in tuple(self._by_agent.values()):
            if switch.covers(presence.agent.id, presence.agent.swarm_id):
                _kill(presence, switch)

    def _have_them_register_again(self, event: Event) -> None:
        """Their tokens ended with the switch; they come back with new ones, and with their credits."""
        lifted = Switch(scope=SwitchScope(event.data["scope"]), scope_id=event.data["id"])
        for presence in tuple(self._by_agent.values()):
            if lifted.covers(presence.agent.id, presence.agent.swarm_id):
                said = "the kill switch was lifted, and the tokens from before it count no more"
                presence.end(Unauthenticated(said, hint="register the agent again"))

    def _command(self, event: Event) -> None:
        """Tell the agent that runs it; one that is not connected hears of it by its next heartbeat.

        What was killed is told as a cancel, too: for workers that do not know `kill` frames.
        """
        presence = self._by_agent.get(event.data.get("agentId", ""))
        if presence is not None:
            is_over = event.type != "task.pauseRequested"
            fence = event.data["endedFence" if is_over else "fence"]
            body = {"task_id": event.subject_id, "fence": fence, "kind": "cancel" if is_over else "pause"}
            presence.way.push(wire.push(FrameType.COMMAND, event.id, body))

    def _have_it_sync(self, event: Event) -> None:
        """Ask a worker for its copy of a project. One that does not know such frames is answered for."""
        data = event.data
        presence = self._by_agent.get(data["agentId"])
        if presence is None or presence.syncs is None:  # it is asked when it has greeted
            return
        if not presence.syncs:
            self._store.begin(
                ReportCopy(
                    project_id=event.subject_id,
                    agent_id=presence.agent.id,
                    request_id=data["requestId"],
                    report=failed_copy("unsupported", "its worker is too old to do this; upgrade it"),
                )
            )
            return
        _sync(presence, data["requestId"], event.subject_id, data["name"], data["repoUrl"], data["defaultBranch"])

    async def ask_again(self, presence: Presence) -> None:
        """What a worker was asked while it was not connected, or whose answer was lost on the way."""
        for asked, project in await self._store.read(lambda queries: asked_of(queries, presence.agent.id)):
            _sync(presence, asked.request_id, project.id, project.name, project.repo_url, project.default_branch)

    def _move(self, event: Event) -> None:
        """An agent is in another swarm than its connection knows: it comes back as what it is, and goes on."""
        presence = self._by_agent.get(event.data["agentId"])
        joined = event.subject_id if event.type == "swarm.joined" else None
        if presence is not None and presence.agent.swarm_id != joined:
            said = "the agent has joined or left a swarm"
            presence.end(Unauthenticated(said, hint="register the agent again"))

    def _supersede(self, event: Event) -> None:
        """Rule T11: the old process of the agent is told."""
        presence = self._by_agent.get(event.subject_id)
        if presence is not None and presence.instance_id != event.data["instanceId"]:
            presence.end(superseded(event.subject_id))

    def _revoke(self, event: Event) -> None:
        self._note_end(event.subject_id, event.at, _revoked())
        for presence in tuple(self._by_agent.values()):
            if presence.identity.token_id == event.subject_id:
                presence.end(_revoked())

    def _note_end(self, what: str, at: int, refusal: SwarmError) -> None:
        self._ended.pop(what, None)  # so that the oldest stays first
        self._ended[what] = (at, refusal)
        if len(self._ended) > ENDS_REMEMBERED:
            del self._ended[next(iter(self._ended))]


def _sync(presence: Presence, request_id: str, project_id: str, name: str, url: str, branch: str) -> None:
    project = {"id": project_id, "name": name, "repo_url": url, "default_branch": branch}
    presence.way.push(wire.push(FrameType.SYNC, request_id, {"request_id": request_id, "project": project}))


def _kill(presence: Presence, switch: Switch) -> None:
    body = {"activation": switch.id, "scope": switch.scope.value, "reason": switch.reason}
    presence.way.push(wire.push(FrameType.KILL, switch.id, body))


def _revoked() -> SwarmError:
    return Unauthenticated("the token of this connection was revoked", hint="register the agent again")
