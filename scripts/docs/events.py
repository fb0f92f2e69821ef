"""`docs/reference/events.md`: every type of event, and how to follow them."""

from scripts.docs.markdown import block, code, page, table

from agent_swarm.protocol import limits
from agent_swarm.protocol.events import EVENT_TYPES
from agent_swarm.server.ring import COALESCE_SECONDS

ENVELOPE = """
{"seq": 42, "id": "0b9c…", "type": "task.claimed", "at": "2026-11-20T18:44:35.000Z",
 "actor": "agent:0197…", "subject": {"kind": "task", "id": "0197…"},
 "swarm": null, "taskId": "0197…", "attempt": 1, "data": {"agentId": "0197…", "fence": 1}, "v": 1}
"""

INTRODUCTION = f"""
Everything that happens is an event, written in the transaction that made it happen. `seq` has no gaps and follows
the order of commits; each event carries a hash over the one before it (in the table; not on the wire). `actor` is
`operator`, `agent:<id>` or `system`. `attempt` is null for events that are about no attempt. `data` is as below; a
`?` marks what may be missing. No secret and no prompt stands in an event; what agents said is redacted before it is
stored.

{block(ENVELOPE, "json")}
"""

FOLLOWING = f"""
## Following them

`GET /api/events?after=SEQ` answers a page: `{{"events": […], "nextAfter": SEQ}}`. `taskId` and `types` (separated by
commas) filter; a page may then be empty and still move on.

`GET /api/events` with `Accept: text/event-stream` streams them: one message per event, its `seq` as the id. Without
`after` or `Last-Event-ID` it begins now. A client that comes back with `Last-Event-ID` gets what it missed, up to
{limits.EVENT_REPLAY:,} events; beyond that, and where the number is not one of this server's, it gets
`event: reset` and goes on from the present: read the state anew. Every {limits.SSE_HEARTBEAT_SECONDS:g} s a
comment says that the connection lives. Events reach the stream within about {COALESCE_SECONDS * 1000:g} ms of their
commit, and never before it.

`agent-swarm watch` prints them, `agent-swarm watch --after 0` from the first one on.
"""


def render() -> str:
    """The page."""
    rows = [(code(name), *_split(text)) for name, text in sorted(EVENT_TYPES.items())]
    listed = "## Types\n\n" + table(("Type", "What happened", "`data`"), rows)
    return page("Events", INTRODUCTION, listed, FOLLOWING, source="`protocol/events.py`")


def _split(text: str) -> tuple[str, str]:
    what, _, data = text.partition(": {")
    return what, code(f"{{{data}")
