"""What an agent does, as Codex tells it: an item begins, and is completed. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.kept.heard import as_dict, as_dicts, as_text, log

NAME = "codex"
_NO_TOOLS = (
    *("userMessage", "hookPrompt", "reasoning", "plan", "functionCallOutput"),
    *("agentMessage", "contextCompaction", "enteredReviewMode", "exitedReviewMode"),
)
_GOOD = ("completed", "inProgress")


def is_tool(item: Mapping[str, Any]) -> bool:
    """Whether it is the use of a tool, and no words."""
    return item.get("type") not in _NO_TOOLS


def begun(item: Mapping[str, Any]) -> Iterator[AgentEvent]:
    """A tool that is called."""
    if is_tool(item):
        name, given = _call(item)
        yield AgentEvent(EventKind.TOOL_CALL, {"id": as_text(item.get("id")), "name": name, "input": given})


def completed(item: Mapping[str, Any]) -> Iterator[AgentEvent]:
    """Words, or what a tool gave."""
    kind, ident = item.get("type"), as_text(item.get("id"))
    if kind == "agentMessage":
        if text := as_text(item.get("text")):
            yield AgentEvent(EventKind.TEXT, {"text": text})
    elif kind == "contextCompaction":
        yield log("the conversation was compacted", stream=NAME)
    elif is_tool(item):
        if item.get("status") == "declined":
            name, given = _call(item)
            yield AgentEvent(EventKind.DENIED, {"id": ident, "name": name, "input": given})
        output, diff = _given(item)
        result = {"id": ident, "ok": _is_good(item), "output": output, **({"diff": diff} if diff else {})}
        yield AgentEvent(EventKind.TOOL_RESULT, result)


def _call(item: Mapping[str, Any]) -> tuple[str, Any]:
    """The tool as the model calls it, and what it was given."""
    match item.get("type"):
        case "commandExecution":
            return "exec_command", {"command": as_text(item.get("command"))}
        case "fileChange":
            files = [
                {"path": as_text(change.get("path")), "kind": as_text(as_dict(change.get("kind")).get("type"))}
                for change in as_dicts(item.get("changes"))
            ]
            return "apply_patch", {"files": files}
        case "mcpToolCall":
            return f"mcp__{as_text(item.get('server'))}__{as_text(item.get('tool'))}", item.get("arguments")
        case kind:
            told = ("tool", "arguments", "query", "prompt", "path")
            return as_text(kind), {name: item[name] for name in told if item.get(name) is not None}


def _given(item: Mapping[str, Any]) -> tuple[str, str]:
    """Output and diff."""
    match item.get("type"):
        case "commandExecution":
            return as_text(item.get("aggregatedOutput")), ""
        case "fileChange":
            changes = list(as_dicts(item.get("changes")))
            names = ", ".join(as_text(change.get("path")) for change in changes)
            return f"{as_text(item.get('status'))}: {names}", "\n".join(map(diff_of, changes))
        case "mcpToolCall":
            result = as_dict(item.get("result"))
            texts = (as_text(part.get("text") or f"[{part.get('type')}]") for part in as_dicts(result.get("content")))
            return "\n".join((*texts, *filter(None, (as_text(as_dict(item.get("error")).get("message")),)))), ""
    return "", ""


def _is_good(item: Mapping[str, Any]) -> bool:
    """A command that ran and failed is a failure, too."""
    code = item.get("exitCode")
    return item.get("status", "completed") in _GOOD and (code is None or code == 0)


def diff_of(change: Mapping[str, Any]) -> str:
    """A change of one file as a unified diff: of a new or a deleted one the CLI tells the content."""
    path, said = as_text(change.get("path")), as_text(change.get("diff"))
    kind = as_dict(change.get("kind"))
    if kind.get("type") == "update":
        return "\n".join((f"--- {path}", f"+++ {as_text(kind.get('move_path')) or path}", said.rstrip("\n")))
    lines = said.splitlines()
    if kind.get("type") == "add":
        return "\n".join(
            ("--- /dev/null", f"+++ {path}", f"@@ -0,0 +1,{len(lines)} @@", *(f"+{line}" for line in lines))
        )
    return "\n".join((f"--- {path}", "+++ /dev/null", f"@@ -1,{len(lines)} +0,0 @@", *(f"-{line}" for line in lines)))
