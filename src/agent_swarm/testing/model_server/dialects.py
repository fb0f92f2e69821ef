"""Answers in the words of the API that a request came in."""

from collections.abc import Iterator
from typing import Any

from agent_swarm.testing.model_server import completions, gemini, messages, responses_answers
from agent_swarm.testing.model_server.completions import CompletionsRequest
from agent_swarm.testing.model_server.gemini import GeminiRequest
from agent_swarm.testing.model_server.messages import Event
from agent_swarm.testing.model_server.replies import Content, Fail, message_of
from agent_swarm.testing.model_server.requests import ModelRequest
from agent_swarm.testing.model_server.responses import ResponsesRequest


def body_of(content: Content, request: ModelRequest) -> dict[str, Any]:
    """A whole answer."""
    if isinstance(request, ResponsesRequest):
        return responses_answers.body_of(message_of(content), request)
    if isinstance(request, GeminiRequest):
        return gemini.body_of(message_of(content), request)
    if isinstance(request, CompletionsRequest):
        return completions.body_of(message_of(content), request)
    return messages.body_of(message_of(content), model=request.model)


def events_of(content: Content, request: ModelRequest) -> Iterator[Event]:
    """The same answer as a stream."""
    if isinstance(request, ResponsesRequest):
        return responses_answers.events_of(message_of(content), request)
    if isinstance(request, GeminiRequest):
        return gemini.events_of(message_of(content), request)
    if isinstance(request, CompletionsRequest):
        return completions.events_of(message_of(content), request)
    return messages.events_of(message_of(content), model=request.model)


def error_of(fail: Fail, request: ModelRequest, request_id: str) -> dict[str, Any]:
    """The body of an HTTP error."""
    if isinstance(request, ResponsesRequest):
        return responses_answers.error_of(fail)
    if isinstance(request, GeminiRequest):
        return gemini.error_of(fail)
    if isinstance(request, CompletionsRequest):
        return completions.error_of(fail)
    return messages.error_of(fail, request_id)


def failure_of(fail: Fail, request: ModelRequest, request_id: str) -> Event:
    """An error as an event of a stream that has begun."""
    if isinstance(request, ResponsesRequest):
        return responses_answers.failure_of(fail)
    if isinstance(request, GeminiRequest):
        return gemini.error_of(fail)
    if isinstance(request, CompletionsRequest):
        return completions.error_of(fail)
    return messages.error_of(fail, request_id)
