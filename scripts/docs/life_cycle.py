"""The diagram and the table of `docs/life-cycle.md`, drawn from the one table of transitions."""

from scripts.docs.markdown import block, code, codes, table

from agent_swarm.domain.tasks import TERMINAL, TRANSITIONS, TaskStatus, Verb

FIRST = (TaskStatus.BACKLOG, TaskStatus.BLOCKED, TaskStatus.PENDING)  # store.rows.new_state


def diagram() -> str:
    """A Mermaid state diagram; a verb that every open status allows is told in a sentence instead of drawn."""
    everywhere = _everywhere()
    lines = ["stateDiagram-v2", "    direction LR"]
    lines += [f"    [*] --> {status}: create" for status in FIRST]
    arrows: dict[tuple[TaskStatus, TaskStatus], list[Verb]] = {}
    for (source, verb), target in TRANSITIONS.items():
        if verb not in everywhere:
            arrows.setdefault((source, target), []).append(verb)
    lines += [f"    {source} --> {target}: {', '.join(verbs)}" for (source, target), verbs in arrows.items()]
    lines += [f"    {status} --> [*]" for status in TaskStatus if status in TERMINAL]
    drawn = block("\n".join(lines), "mermaid")
    told = [
        f"From every status that is not an end, {code(verb)} leads to {code(target)}."
        for verb, target in everywhere.items()
    ]
    return "\n\n".join([drawn, *told])


def transitions() -> str:
    """The table behind the diagram."""
    rows = []
    for status in TaskStatus:
        steps = [f"{verb} → {target}" for (source, verb), target in TRANSITIONS.items() if source is status]
        rows.append((code(status), codes(steps) or "nothing: it has ended"))
    return table(("Status", "What may be done, and where it leads"), rows)


def _everywhere() -> dict[Verb, TaskStatus]:
    """Verbs that every status but the ends allows, with the one status they lead to."""
    is_open = {status for status in TaskStatus if status not in TERMINAL}
    found = {}
    for verb in Verb:
        steps = {source: target for (source, candidate), target in TRANSITIONS.items() if candidate is verb}
        targets = set(steps.values())
        if set(steps) == is_open and len(targets) == 1:
            found[verb] = targets.pop()
    return found
