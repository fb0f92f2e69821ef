"""`agent-swarm audit archive`."""

from typing import Any

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import Duration, Moment, json_option, with_client
from agent_swarm.cli.output import print_json, say


class Before(click.ParamType[str]):
    """A time, or how long ago: `2026-11-01T00:00:00Z`, `90d`."""

    name = "time or span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).strip().endswith(("s", "m", "h", "d")):
            return Moment().convert(value, param, ctx)
        from time import time

        from agent_swarm.domain.time import SECOND, to_wire

        return to_wire(int((time() - Duration().convert(value, param, ctx)) * SECOND))


@click.command()
@click.option("--before", type=Before(), required=True, help="A time, or how long ago, such as 90d.")
@json_option
@with_client
def archive(client: Client, *, before: str, as_json: bool) -> None:
    """Move old events out of the database into files.

    Events from before that time, as far as a checkpoint reaches, go into packed files in the server's audit folder.
    Their hashes stand in signed checkpoints; the history that is left verifies on from there, each file by itself.
    Readers of the event stream that come back from before are told to read the state anew.

    \b
    Examples:
      agent-swarm audit archive --before 90d
      agent-swarm audit archive --before 2026-11-01T00:00:00Z --json
    """
    made: list[dict[str, Any]] = []
    while (done := client.post("/api/audit/archive", {"before": before})["archived"]) is not None:
        made.append(done)
        if not as_json:
            say(f"events {done['fromSeq']:,} to {done['toSeq']:,} are in {done['file']}")
    if as_json:
        print_json({"archived": made})
    elif not made:
        say("there is nothing to archive: no event before that time is signed and still in the database")
