"""How budgets are addressed, and told of in one line."""

from urllib.parse import quote

from agent_swarm.cli.client import Json
from agent_swarm.cli.text import printable


def path_of(name: str) -> str:
    """Where a budget is, by its name or id."""
    return f"/api/budgets/{quote(name, safe='')}"


def headline(budget: Json) -> str:
    """Its name, how it stands, what is spent of what."""
    return f"{printable(budget['name'])}  {budget['status']}  {spent_of(budget)}"


def spent_of(budget: Json) -> str:
    """What is spent and reserved of the cap."""
    parts = []
    if budget["capUsd"] is not None:
        cap = budget["capUsd"] + budget["extraUsd"]
        parts.append(f"{usd(budget['spentUsd'])} of {usd(cap)} (+ {usd(budget['reservedUsd'])} reserved)")
    if budget["capTokens"] is not None:
        cap = budget["capTokens"] + budget["extraTokens"]
        parts.append(f"{budget['spentTokens']:,} of {cap:,} tokens (+ {budget['reservedTokens']:,} reserved)")
    if budget["capAttempts"] is not None:
        parts.append(f"{budget['attempts']:,} of {budget['capAttempts'] + budget['extraAttempts']:,} attempts")
    spent = ", ".join(parts) + (" a day" if parts and budget["period"] == "day" else "")
    places = [] if budget["capAtOnce"] is None else [f"{budget['atOnce']:,} of {budget['capAtOnce']:,} at once"]
    return ", ".join([spent, *places] if spent else places)


def usd(amount: float) -> str:
    """Money, in cents, and finer where that would show nothing."""
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.6f}"
