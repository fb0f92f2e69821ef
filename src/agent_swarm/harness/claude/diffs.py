"""What a tool changed in a file, as a unified diff. Pure."""

from typing import Any


def unified(result: Any) -> str:
    """The diff in the structured result of an editing tool; empty where there is none."""
    if not isinstance(result, dict) or not isinstance(result.get("structuredPatch"), list):
        return ""
    path = str(result.get("filePath") or "file")
    hunks = [_hunk(hunk) for hunk in result["structuredPatch"] if isinstance(hunk, dict)]
    if hunks:
        return "\n".join((f"--- {path}", f"+++ {path}", *hunks))
    content = result.get("content")
    return _new_file(path, content) if result.get("type") == "create" and isinstance(content, str) else ""


def _hunk(hunk: dict[str, Any]) -> str:
    old, new = (f"{hunk.get(f'{side}Start', 0)},{hunk.get(f'{side}Lines', 0)}" for side in ("old", "new"))
    lines = hunk.get("lines")
    return "\n".join((f"@@ -{old} +{new} @@", *(map(str, lines) if isinstance(lines, list) else ())))


def _new_file(path: str, content: str) -> str:
    lines = content.splitlines()
    return "\n".join(("--- /dev/null", f"+++ {path}", f"@@ -0,0 +1,{len(lines)} @@", *(f"+{line}" for line in lines)))
