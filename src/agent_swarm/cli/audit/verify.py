"""`agent-swarm audit verify`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_swarm.cli import failures
from agent_swarm.cli.db.addressed import chosen, data_dir_option, database_option
from agent_swarm.cli.db.progress import Told, shown_progress
from agent_swarm.cli.environment import env_file_option, url_option
from agent_swarm.cli.extras import require
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable
from agent_swarm.domain.errors import SwarmError

if TYPE_CHECKING:
    from agent_swarm.audit.findings import Report
    from agent_swarm.audit.keys import PublicKey

WHOLE, TAMPERED, NOT_CHECKED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says."""

    database: str | None
    data_dir: Path | None
    checkpoints: Path | None
    public_keys: tuple[Path, ...]
    from_seq: int | None
    export: Path | None


@click.command()
@database_option
@data_dir_option
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Signed checkpoints, best a copy from elsewhere. Default: those of the data directory.",
)
@click.option(
    "--public-key",
    "public_keys",
    type=click.Path(path_type=Path),
    metavar="FILE",
    multiple=True,
    help="The key that counts, kept elsewhere. Default: the data directory's.",
)
@click.option("--from-seq", type=click.IntRange(min=1), metavar="SEQ", help="Begin with this event.")
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FILE", help="Check an export or an archive, no database."
)
@click.option("--server", "by_server", is_flag=True, help="Ask a running server to check its own database.")
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@env_file_option
def verify(*, by_server: bool, url: str | None, as_json: bool, **asked: Any) -> int:
    """Check that the history is whole and as it was signed.

    Every event is hashed anew along the chain, and the chain is compared with the signed checkpoints outside the
    database. It needs no server, and may run beside one. What is found is told with the first event it is about.

    Exits 0 where everything is whole, 1 where something was tampered with or is damaged, 2 where it could not be
    checked: no checkpoint, no key, no such database.

    \b
    Examples:
      agent-swarm audit verify
      agent-swarm audit verify --checkpoints /mnt/worm/checkpoints.jsonl --public-key audit-key.pub
      agent-swarm audit verify --database @/etc/agent-swarm/database --data-dir /var/lib/agent-swarm --json
      agent-swarm audit verify --export events.jsonl --checkpoints checkpoints.jsonl --public-key audit-key.pub
    """
    try:
        with shown_progress(silent=as_json) as told:
            found = _by_server(url, asked["from_seq"], told) if by_server else _here(Asked(**asked), told)
    except SwarmError as exc:
        if as_json:
            print_json({"whole": None, "error": {"code": exc.code, "message": exc.message, "hint": exc.hint}})
        else:
            failures.show(exc)
        return NOT_CHECKED
    except KeyboardInterrupt:
        say("interrupted: the check did not come to its end", to_errors=True)
        return failures.INTERRUPTED
    if as_json:
        print_json(found)
    else:
        _print(found)
    return WHOLE if found["whole"] else TAMPERED


def _here(asked: Asked, told: Told) -> dict[str, Any]:
    require("server")
    from agent_swarm.audit.key_file import present
    from agent_swarm.cli.audit.places import places

    there = places(asked.data_dir)
    is_own = asked.data_dir is not None or (asked.database is None and asked.export is None)
    path = asked.checkpoints or there.checkpoints
    keys = tuple(_public_key(file) for file in asked.public_keys)
    own = present(there.key) if is_own and not keys else ()
    if asked.checkpoints is None and not (is_own and path.is_file()):
        return _json(_without_checkpoints(asked, path))
    from agent_swarm.audit.checking import Check, Evidence
    from agent_swarm.audit.ledger import Ledger

    if asked.export is not None:
        check = Check(Evidence(lines=Ledger(path).lines(), keys=keys, own=own))
        return _json(check.of_export(asked.export, lambda seq: told("verify", "event", seq, seq)))
    return _json(_of_database(asked, path, keys, own, there.archives if is_own else None, told))


def _of_database(
    asked: Asked,
    path: Path,
    keys: "tuple[PublicKey, ...]",
    own: "tuple[PublicKey, ...]",
    archives: Path | None,
    told: Told,
) -> "Report":
    from agent_swarm.audit import sources
    from agent_swarm.audit.checking import LAG, Check, Evidence
    from agent_swarm.audit.ledger import Ledger
    from agent_swarm.store.address import SqliteAddress

    address = chosen(asked.database, asked.data_dir)
    # Several servers sign, and each file follows the others only now and then.
    lag = LAG if isinstance(address, SqliteAddress) else None
    with sources.opened(address) as database:
        total = database.head.seq
        check = Check(Evidence(lines=Ledger(path).lines(), keys=keys, own=own, lag=lag))
        return check.of_database(
            database,
            from_seq=asked.from_seq,
            archive_folder=archives,
            progress=lambda seq: told("verify", "event", seq, total),
        )


def _without_checkpoints(asked: Asked, path: Path) -> "Report":
    from agent_swarm.audit.checking import NothingToCheckBy

    raise NothingToCheckBy(
        f"there is no file of signed checkpoints at {path}" if asked.database is None else "no checkpoints are named",
        hint="name the file that the server wrote: --checkpoints FILE, or its data directory: --data-dir",
    )


def _public_key(path: Path) -> "PublicKey":
    from agent_swarm.audit.keys import public_key

    try:
        return public_key(path.read_bytes(), where=str(path))
    except OSError as exc:
        from agent_swarm.cli.failures import CommandFailed

        raise CommandFailed(f"cannot read {path}: {exc.strerror}", hint="check --public-key FILE") from exc


def _json(report: "Report") -> dict[str, Any]:
    from agent_swarm.domain.time import to_wire

    return {
        "whole": report.is_whole,
        "fromSeq": report.from_seq,
        "toSeq": report.to_seq,
        "hash": report.hash,
        "events": report.events,
        "checkpoints": report.checkpoints,
        "signedSeq": report.signed_seq,
        "signedAt": None if report.signed_at is None else to_wire(report.signed_at),
        "unsigned": report.unsigned,
        "firstBadSeq": report.first_bad_seq,
        "findingCount": report.finding_count,
        "findings": [
            {
                "kind": one.kind.value,
                "seq": one.seq,
                "message": one.message,
                "expected": one.expected,
                "found": one.found,
            }
            for one in report.findings
        ],
        "notes": list(report.notes),
    }


def _by_server(url: str | None, from_seq: int | None, told: Told) -> dict[str, Any]:
    """One part after the other, so that no request takes long."""
    from agent_swarm.cli.address import locate
    from agent_swarm.cli.client import Client

    root = click.get_current_context().find_root().params.get("url")
    client = Client(locate(url or (root if isinstance(root, str) else None)))
    parts: list[dict[str, Any]] = []
    following = from_seq
    while True:
        part = client.get("/api/audit/verify", {"fromSeq": following})
        parts.append(part)
        told("verify", "event", part["toSeq"], part["headSeq"])
        following = part["nextSeq"]
        if following is None:
            return _together(parts)


def _together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    first, last = parts[0], parts[-1]
    findings = [finding for part in parts for finding in part["findings"]]
    signed = max(part["signedSeq"] for part in parts)
    return {
        "whole": all(part["whole"] for part in parts),
        "fromSeq": first["fromSeq"],
        "toSeq": last["toSeq"],
        "hash": last["hash"],
        "events": last["toSeq"] - first["fromSeq"] + 1,
        "checkpoints": sum(part["checkpoints"] for part in parts),
        "signedSeq": signed,
        "signedAt": None,
        "unsigned": max(0, last["toSeq"] - max(signed, first["fromSeq"] - 1)),
        "firstBadSeq": min((one["seq"] for one in findings if one["seq"] is not None), default=None),
        "findingCount": sum(part["findingCount"] for part in parts),
        "findings": findings,
        "notes": ["the server checked its own database: it is as trustworthy as the server is"],
    }


def _print(found: dict[str, Any]) -> None:
    for one in found["findings"]:
        say(f"{click.style(one['kind'], fg='red', bold=True)}: {printable(one['message'])}")
        for name in ("expected", "found"):
            if one[name]:
                say(f"  {name:<8}  {printable(one[name])}")
    more = found["findingCount"] - len(found["findings"])
    if more > 0:
        say(f"… and {more:,} more")
    span = f"events {found['fromSeq']:,} to {found['toSeq']:,}" if found["events"] else "no events"
    if found["whole"]:
        say(f"{click.style('whole', fg='green', bold=True)}: {span}, {found['checkpoints']:,} checkpoints agree")
    else:
        first = found["firstBadSeq"]
        say(f"{click.style('NOT WHOLE', fg='red', bold=True)}: {span}; " + _first(first))
    say(f"signed up to event {found['signedSeq']:,}; {found['unsigned']:,} events after it are chained, not signed")
    for note in found["notes"]:
        say(f"note: {note}", to_errors=True)


def _first(seq: int | None) -> str:
    return "no event is named by what was found" if seq is None else f"the first bad one is {seq:,}"
