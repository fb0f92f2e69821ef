"""What Codex is started with: arguments, environment, and how a conversation is opened. Pure.

Nothing of a task is in the arguments, and nothing of a secret in a file: prompts, system prompt, MCP servers with their
tokens and the settings of the conversation go in over standard input.
"""

import json
from collections.abc import Mapping
from typing import Any

from agent_swarm.harness.base import PermissionMode, Turn
from agent_swarm.harness.kept.effort import model_and_effort
from agent_swarm.harness.kept.home import Home

LOGIN = "CODEX_OAUTH"  # ACCOUNT:TOKEN, of a login with ChatGPT
KEYS = ("CODEX_API_KEY", "OPENAI_API_KEY")  # the first that is set counts, as for the CLI itself
CREDENTIALS = (LOGIN, *KEYS)  # what is paid for anyway, then what is paid by use
VARIABLES = (
    *CREDENTIALS,
    "CODEX_OAUTH_BASE_URL",
    *("OPENAI_BASE_URL", "OPENAI_ORGANIZATION", "OPENAI_PROJECT"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "CODEX_CA_CERTIFICATE"),
)
DEFAULT_URL = "https://api.openai.com/v1"
LOGIN_URL = "https://chatgpt.com/backend-api/codex"
_LOGIN_TOKEN, _LOGIN_ACCOUNT = "CODEX_OAUTH_TOKEN", "CODEX_OAUTH_ACCOUNT"  # the parts, for the CLI
_HIDDEN = (*CREDENTIALS, _LOGIN_TOKEN, _LOGIN_ACCOUNT)  # from commands
RETRIES = 4  # of a failing stream; the queue tries again later, and elsewhere
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})

# Nothing is sent anywhere but to the model, nothing of a repository or a person changes what the CLI does, and a model
# that cannot be reached is given up after a few tries: by default the CLI waits for it without a bound.
_SETTINGS = (
    *("analytics.enabled=false", "check_for_update_on_startup=false", 'history.persistence="none"'),
    *("features.apps=false", "features.goals=false", "features.hooks=false", "features.plugins=false"),
    *("features.remote_plugin=false", "features.tool_suggest=false", "features.unbounded_connection_retries=false"),
)
_SANDBOXES = {
    PermissionMode.EDITS: "workspace-write",
    PermissionMode.ALLOWED: "read-only",
    PermissionMode.PLAN: "read-only",
    PermissionMode.ALL: "danger-full-access",
}
_ON_THE_WEB = frozenset({"WebFetch", "WebSearch"})
_PROVIDER = "model"  # our name for it, with bounds of ours


def arguments(program: str, turn: Turn) -> tuple[str, ...]:
    """The command line. What a repository says in `.codex` is left alone: anybody may have written it."""
    untrusted = f'projects={{{json.dumps(str(turn.workspace))}={{trust_level="untrusted"}}}}'
    settings = (word for setting in (*_SETTINGS, untrusted) for word in ("-c", setting))
    return (program, "app-server", *settings)


def environment(turn: Turn, home: Home) -> dict[str, str]:
    """The turn's own, with a home of the CLI's that is this run's."""
    account, _, token = turn.env.get(LOGIN, "").partition(":")
    parts = {_LOGIN_ACCOUNT: account, _LOGIN_TOKEN: token} if token else {}
    return {**turn.env, **parts, "CODEX_HOME": str(home.config)}


def thread_of(turn: Turn, *, retries: int = RETRIES) -> dict[str, Any]:
    """The parameters of `thread/start` and `thread/resume`."""
    model, effort = model_and_effort(turn.model, EFFORTS)
    return {
        "cwd": str(turn.workspace),
        "approvalPolicy": "never",  # there is nobody to ask: what the sandbox refuses is refused
        "sandbox": _SANDBOXES[PermissionMode.ALL if turn.permissions.by_sandbox else turn.permissions.mode],
        "modelProvider": _PROVIDER,
        **({"model": model} if model else {}),
        **({"developerInstructions": turn.system_prompt} if turn.system_prompt else {}),
        "config": {
            "model_providers": {_PROVIDER: _provider(turn.env, retries)},
            "mcp_servers": {name: server_of(server) for name, server in turn.mcp_servers.items()},
            "shell_environment_policy": {"inherit": "all", "ignore_default_excludes": True, "exclude": list(_HIDDEN)},
            "sandbox_workspace_write": {"exclude_slash_tmp": True},
            **({"model_reasoning_effort": effort} if effort else {}),
            **({"web_search": "disabled"} if _ON_THE_WEB & set(turn.permissions.denied_tools) else {}),
        },
    }


def server_of(server: Mapping[str, Any]) -> dict[str, Any]:
    """An MCP server as Codex is told of it.

    One that cannot be used is an error at the start, which it is not by itself. Its tools are there from the first call
    on, and need no leave: by themselves they would be found by searching, and be refused.
    """
    common = {"required": True, "omit_tools_from": ["deferred"], "default_tools_approval_mode": "approve"}
    if "url" in server:
        return {"url": server["url"], "http_headers": dict(server.get("headers") or {}), **common}
    return {**{name: server[name] for name in ("command", "args", "env", "cwd") if name in server}, **common}


def key_of(env: Mapping[str, str]) -> str:
    """The variable with the key that counts."""
    return next((name for name in KEYS if env.get(name, "").strip()), KEYS[-1])


def _provider(env: Mapping[str, str], retries: int) -> dict[str, Any]:
    about = {"OpenAI-Organization": "OPENAI_ORGANIZATION", "OpenAI-Project": "OPENAI_PROJECT"}
    where = {"base_url": env.get("OPENAI_BASE_URL", "").strip() or DEFAULT_URL, "env_key": key_of(env)}
    if env.get(LOGIN, "").strip():
        about = {"ChatGPT-Account-Id": _LOGIN_ACCOUNT}
        where = {"base_url": env.get("CODEX_OAUTH_BASE_URL", "").strip() or LOGIN_URL, "env_key": _LOGIN_TOKEN}
    return {
        "name": "model",
        **where,
        "env_http_headers": about,
        "wire_api": "responses",
        "request_max_retries": min(1, retries),
        "stream_max_retries": retries,
    }
