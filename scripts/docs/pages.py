"""Which pages, and which parts of pages, come from the code."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.docs import (
    arrows,
    commands,
    errors,
    events,
    life_cycle,
    metrics,
    routes,
    script_harness,
    settings,
    worker_protocol,
    workflow_schema,
)

Render = Callable[[], str]

PAGES: Mapping[str, Render] = {
    "docs/reference/commands.md": commands.render,
    "docs/reference/errors.md": errors.render,
    "docs/reference/events.md": events.render,
    "docs/reference/metrics.md": metrics.render,
    "docs/reference/routes.md": routes.render,
    "docs/reference/script-harness.md": script_harness.render,
    "docs/reference/settings.md": settings.render,
    "docs/reference/worker-protocol.md": worker_protocol.render,
}

# Read by editors, and not by people.
PUBLISHED: Mapping[str, Render] = {"docs/contract/workflow.schema.json": workflow_schema.render}

# Parts of pages that people write: what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
PARTS: Mapping[str, Mapping[str, Render]] = {
    "docs/architecture.md": {"arrows": arrows.render},
    "docs/life-cycle.md": {"diagram": life_cycle.diagram, "transitions": life_cycle.transitions},
}


def current(root: Path, path: str) -> str:
    """A page of PAGES or PARTS as it has to be; raises LookupError where a part's marks are missing."""
    if path in PAGES or path in PUBLISHED:
        return {**PAGES, **PUBLISHED}[path]()
    text = (root / path).read_text(encoding="utf-8")
    for name, render in PARTS[path].items():
        marks = re.compile(rf"(<!-- begin {name}\b[^>]*-->\n).*?(\n<!-- end {name} -->)", re.DOTALL)
        text, found = marks.subn(_between(render()), text)
        if found != 1:
            raise LookupError(f"{path} has to have the marks of {name!r} once, and has them {found} times")
    return text


def _between(content: str) -> Callable[[re.Match[str]], str]:
    """Put `content` between the marks."""
    return lambda match: f"{match[1]}{content}{match[2]}"


def all_paths() -> tuple[str, ...]:
    """Every page with something in it that comes from the code."""
    return (*PAGES, *PUBLISHED, *PARTS)
