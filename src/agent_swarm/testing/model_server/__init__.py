"""A model that says what a script tells it, over HTTP on loopback, for real coding agents without a real model.

It speaks the Messages API of Anthropic as far as clients use it: POST /v1/messages with and without streaming, token
counts, errors with their headers; the Responses and the Chat Completions API of OpenAI, POST /v1/responses and
/v1/chat/completions, and Google's Gemini API, in the same words of the same scripts. `replies` is the vocabulary of
scripts; `requests`, `responses`, `completions` and `gemini` say which requests a script answers, `agents` what answers
without one, `script_file` how a script looks in JSON.

    async with ModelServer([Call("Bash", {"command": "date > now"}), Say("done")]) as model:
        …run a client with its base URL set to model.url…
        assert (await model.requested(2)).results[0].text == ""
"""

from agent_swarm.testing.model_server.agents import echo, follow_steps
from agent_swarm.testing.model_server.replies import (
    Always,
    Call,
    CutStream,
    Fail,
    FailStream,
    Garbage,
    Hang,
    Message,
    Say,
    SlowStream,
    Step,
    Think,
    Usage,
    rate_limited,
    usage_limited,
)
from agent_swarm.testing.model_server.requests import ModelRequest, Purpose, ToolResult
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.model_server.server import ModelServer

__all__ = [
    "Always",
    "Call",
    "CutStream",
    "Fail",
    "FailStream",
    "Garbage",
    "Hang",
    "Message",
    "ModelRequest",
    "ModelServer",
    "Purpose",
    "Say",
    "Script",
    "SlowStream",
    "Step",
    "Think",
    "ToolResult",
    "Usage",
    "echo",
    "follow_steps",
    "rate_limited",
    "usage_limited",
]
