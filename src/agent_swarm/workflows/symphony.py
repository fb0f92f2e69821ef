"""`WORKFLOW.md` of Symphony, version 1 of its specification: YAML in front, behind it the prompt for one issue.

What it says of trackers and polling is about a service that looks for issues; here somebody hands one in.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent_swarm.workflows.problems import Problem, refusal
from agent_swarm.workflows.source import read_source
from agent_swarm.workflows.writing import Translated, as_yaml

# What it knows that has no place here, and what does the same.
_ELSEWHERE = {
    "tracker": "hand an issue in as the input `issue`",
    "polling": "have a schedule start the workflow",
    "workspace": "each attempt has a worktree of its project",
    "hooks": "write them as stages of kind shell, or into the prompt",
    "server": "there is one server",
}
_FRONT = "---"
_OUTPUT = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_TAG = re.compile(r"\{%-?\s*(\w+).*?%\}", re.DOTALL)
_PATH = re.compile(r"issue(\.[A-Za-z_][A-Za-z0-9_]*|\[\d+\])*")
_FALLBACK = "You are working on an issue: {{ issue.title }}\n\n{{ issue.description }}"


def translated(text: str, *, called: str = "WORKFLOW.md") -> Translated:
    """The workflow that a `WORKFLOW.md` stands for. Raises InvalidInput where its front matter is no mapping."""
    front, body = _parts(text)
    source = read_source(front, called=called)
    settings = source.value if source.value is not None else {}
    if not isinstance(settings, Mapping):
        raise refusal([Problem(1, "", "the front matter is no mapping")], source=called)
    left_out: list[str] = []
    prompt = _prompt(body.strip() or _FALLBACK, left_out)
    stage: dict[str, Any] = {"name": "work", "kind": "swarm", "prompt": prompt}
    left_out += _settled(settings, stage)
    workflow = {
        "name": "issue",
        "description": f"What {called.rpartition('/')[2]} says is done with an issue.",
        "inputs": {"issue": {"type": "object", "description": "the issue, with its fields"}},
        "stages": [stage],
    }
    return Translated(as_yaml(workflow), tuple(left_out))


def _parts(text: str) -> tuple[str, str]:
    """The front matter and what is behind it."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != _FRONT:
        return "", text
    for number, line in enumerate(lines[1:], start=1):
        if line.strip() == _FRONT:
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :])
    return "\n".join(lines[1:]), ""


def _settled(settings: Mapping[str, Any], stage: dict[str, Any]) -> Iterator[str]:
    """Take over what has a place; the rest is told."""
    codex = settings.get("codex")
    span = codex.get("turn_timeout_ms") if isinstance(codex, Mapping) else None
    if isinstance(span, int) and span > 0:
        stage["timeoutSeconds"] = span / 1000
    for name in settings:
        if name == "codex":
            yield "codex: the harness is chosen by `harness`, or is that of the agent"
        elif name == "agent":
            yield "agent: how much runs at once is how many slots workers have"
        else:
            yield f"{name}: {_ELSEWHERE.get(name, 'is not known')}"


def _prompt(body: str, left_out: list[str]) -> str:
    """The template as ours; what ours cannot say stands there as words."""

    def filled(match: re.Match[str]) -> str:
        expression, _, filters = match[1].partition("|")
        if filters.strip():
            left_out.append(f"the filter of {{{{ {match[1]} }}}}")
        if _PATH.fullmatch(expression.strip()):
            return f"{{{{ default(inputs.{expression.strip()}, '') }}}}"
        left_out.append(f"{{{{ {match[1]} }}}}: only `issue` is known here")
        return f"[{expression.strip()}]"

    left_out += [f"{match[0]} stays in the prompt as it is" for match in _TAG.finditer(body)]
    return _OUTPUT.sub(filled, body)
