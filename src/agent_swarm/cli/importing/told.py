"""How an import tells what it did."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable

if TYPE_CHECKING:
    from agent_swarm.importing.report import Outcome

_WORDS = {"config": "entries of configuration"}
SHOWN = 20  # problems on the screen; all of them are in the report file


def tell(done: "Outcome", *, as_json: bool) -> None:
    """The summary on standard output, what needs a person on standard error."""
    if as_json:
        print_json(done.as_json())
        return
    verb = "would import" if done.is_dry_run else "imported"
    if done.is_unchanged:
        say(f"nothing to import: {done.target} has {_counts(done.unchanged) or 'all of it'} already")
    else:
        say(f"{verb} {_counts(done.new)} from {done.source} into {done.target}")
        if any(done.unchanged.values()):
            say(f"there already, and unchanged: {_counts(done.unchanged)}")
    if done.counted:
        say(f"not imported, as they have ended: {_counts(done.counted)}")
    for note in done.notes:
        say(f"note: {printable(note)}", to_errors=True)
    for problem in done.problems[:SHOWN]:
        say(f"not imported: {problem.kind} {printable(problem.source_id)}: {printable(problem.reason)}", to_errors=True)
    if len(done.problems) > SHOWN:
        say(f"not imported: {len(done.problems) - SHOWN} more", to_errors=True)
    if homeless := len(done.kept) - len(done.problems):
        records = _count(homeless, "records")
        say(f"not imported: {records} of a kind that has no place here", to_errors=True)
    if done.backup is not None:
        say(
            f"WARNING: secrets that lay in plain text were encrypted; {done.backup} has them IN PLAIN TEXT. "
            "Back up the encryption key, then delete that file",
            to_errors=True,
        )
    if done.report is not None:
        say(f"all that was not imported is in {done.report}, which only you can read", to_errors=True)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(_count(number, _WORDS.get(kind, kind)) for kind, number in counts.items() if number)


def _count(number: int, word: str) -> str:
    if number == 1:
        word = word.replace("entries", "entry").removesuffix("s")
    return f"{number:,} {word}"
