"""What changed between two registries of events, and between two descriptions of the worker protocol."""

from collections.abc import Iterator

from scripts.contract.change import Change, Document, broken, differing, gone_and_new
from scripts.contract.shapes import Comparison, Direction


def event_changes(old: Document, new: Document) -> list[Change]:
    """Everything that is another about events. Nobody sends them to us, so fields may come."""
    return [*_events(old, new)]


def protocol_changes(old: Document, new: Document) -> list[Change]:
    """Everything that is another about frames. Workers of the version before keep working."""
    return [*_protocol(old, new)]


def _events(old: Document, new: Document) -> Iterator[Change]:
    before, after = old["types"], new["types"]
    yield from gone_and_new(before, after, "types", what="event")
    for name in sorted(before.keys() & after.keys()):
        yield from differing(before[name], after[name], ("subject", "version"), name)
        was, now = before[name]["data"], after[name]["data"]
        yield from gone_and_new(was, now, name, what="field")
        for field in sorted(was.keys() & now.keys()):
            if was[field] == "always" and now[field] != "always":
                yield broken(f"{name}.{field}", "may be missing now")
    yield from Comparison(old, new, Direction.OUTPUT).of(old["envelope"], new["envelope"], "envelope")


def _protocol(old: Document, new: Document) -> Iterator[Change]:
    yield from differing(old, new, ("version", "versionHeader"), "protocol")
    yield from gone_and_new(old["closeCodes"], new["closeCodes"], "closeCodes", what="code")
    for section, direction in (("fromWorker", Direction.INPUT), ("fromServer", Direction.OUTPUT)):
        comparison = Comparison(old, new, direction)
        yield from gone_and_new(old[section], new[section], section, what="message")
        for name in sorted(old[section].keys() & new[section].keys()):
            yield from comparison.of(old[section][name], new[section][name], f"{section} {name}")
