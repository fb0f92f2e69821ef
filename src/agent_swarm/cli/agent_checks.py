"""What `doctor` and the demo say about the agent CLIs on this machine."""

import os
import time
from collections.abc import Iterator

from agent_swarm.cli.auth.status import shown
from agent_swarm.cli.auth.this_host import credentials_here
from agent_swarm.cli.checks import Check
from agent_swarm.harness import registry
from agent_swarm.harness.kept.program import AgentCli, Found
from agent_swarm.harness.pi import PiHarness
from agent_swarm.harness.pi.launch import held_back


def agent_clis() -> Iterator[Check]:
    """Each in which version, and whether with credentials that agents get; those are not shown.

    Nothing where one is not installed, which is said of every harness.
    """
    for name, cli in registry.AGENT_CLIS.items():
        found = cli.find(os.environ)
        if found is not None:
            yield from _of(name, cli, found)
            if name == PiHarness.name and (withheld := held_back(os.environ)):
                said = f"{', '.join(withheld)} is set beside pi's keys, and is not given to pi"
                yield Check("pi and claude", "warn", said, "subscriptions of Claude are for --harness claude alone")


def credentials() -> Iterator[Check]:
    """Those of this machine's workers that cannot be used now; nothing where all can."""
    now = time.time()
    for _, entry in credentials_here():
        standing = entry.standing
        if standing.rests(now):
            detail = f"{entry.name} has reached its limit and rests until {shown(standing.rests_until)}"
            yield Check("credential", "warn", detail, "others do the work meanwhile: agent-swarm auth status")
        elif standing.is_doubtful:
            detail = f"{entry.name} was not accepted when it was used last"
            yield Check("credential", "warn", detail, "replace it; it is used last until it is accepted again")


def in_a_sentence(name: str) -> str:
    """Whether this one could write in the demo, for people who watch it."""
    cli = registry.AGENT_CLIS[name]
    found = cli.find(os.environ)
    if found is None:
        return f"{cli.title} could write the two functions, but is not installed: {cli.how_to_install}"
    if not found.version:
        return f"{cli.title} could write the two functions, but {found.program} cannot be run."
    if not found.credentials:
        return f"{cli.title} {found.version} could write the two functions, but has no credentials: {cli.how_to_log_in}"
    return f"{cli.title} {found.version} could write the two functions: make demo HARNESS={name}"


def _of(name: str, cli: AgentCli, found: Found) -> Iterator[Check]:
    if not found.version:
        remedy = f"run {found.program} --version and see; {cli.how_to_install} installs it anew"
        yield Check(name, "fail", f"{found.program} cannot be run", remedy)
    elif found.is_old:
        yield Check(name, "warn", f"{found.version} is older than any that was tried", cli.how_to_install)
    else:
        yield Check(name, "ok", f"{found.version}, {found.program}")
        yield _credentials(name, cli, found)


def _credentials(name: str, cli: AgentCli, found: Found) -> Check:
    if found.credentials:
        return Check(f"{name} key", "ok", f"{found.credentials} is set; whether it is accepted shows a first task")
    if found.has_own_login:
        return Check(f"{name} key", "warn", "only your own login, which agents do not get", cli.how_to_log_in)
    return Check(f"{name} key", "warn", "agents would have no credentials", cli.how_to_log_in)
