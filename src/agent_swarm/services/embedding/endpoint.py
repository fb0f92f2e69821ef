"""An embedding model behind `POST <url>/embeddings`, as OpenAI, Ollama, vLLM, LM Studio and llama.cpp serve it."""

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 32 * 1024 * 1024  # of an answer
_SAID_CHARS = 200


class ModelUnreachable(Exception):
    """The model did not answer, or not with vectors. Its text says what happened, without a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAddress:
    """Which model, where. `key` is sent as a bearer token, to this URL alone: redirects are not followed."""

    url: str
    model: str
    key: str = ""
    timeout_seconds: float = 10.0


class EmbeddingModel:
    """Turns texts into vectors."""

    def __init__(self, address: ModelAddress) -> None:
        self._address = address
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="embedding")

    @property
    def name(self) -> str:
        """The model; vectors of different ones do not compare."""
        return self._address.model

    async def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in their order. Raises ModelUnreachable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, list(texts))

    def close(self) -> None:
        """Ask nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, texts: list[str]) -> list[list[float]]:
        address = self._address
        headers = {"Content-Type": "application/json", "User-Agent": "agent-swarm"}
        if address.key:
            headers["Authorization"] = f"Bearer {address.key}"
        body = json.dumps({"model": address.model, "input": texts, "encoding_format": "float"}).encode()
        request = urllib.request.Request(  # noqa: S310 - the setting allows http and https only
            f"{address.url.rstrip('/')}/embeddings", data=body, headers=headers, method="POST"
        )
        try:
            with _OPENER.open(request, timeout=address.timeout_seconds) as answer:
                said = answer.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as exc:
            with exc:
                why = exc.read(_SAID_CHARS).decode("utf-8", "replace")
            raise ModelUnreachable(f"it answered HTTP {exc.code}: {why}") from exc
        except (OSError, http.client.HTTPException) as exc:
            reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
            raise ModelUnreachable(str(reason) or type(exc).__name__) from exc
        return vectors_in(said, len(texts))


def vectors_in(answer: bytes, count: int) -> list[list[float]]:
    """The vectors of an answer, in the order of the `count` texts. Raises ModelUnreachable where it has no such."""
    if len(answer) > MOST_BYTES:
        raise ModelUnreachable(f"it answered more than {MOST_BYTES} bytes")
    try:
        entries = sorted(json.loads(answer)["data"], key=lambda entry: entry["index"])
        vectors = [[float(value) for value in entry["embedding"]] for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ModelUnreachable("it answered something else than vectors") from exc
    lengths = {len(vector) for vector in vectors}
    if [entry["index"] for entry in entries] != list(range(count)) or len(lengths) != 1 or lengths == {0}:
        raise ModelUnreachable(f"it answered {len(vectors)} vectors of lengths {sorted(lengths)} for {count} texts")
    return vectors


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key of a model is for its URL; a redirect is no answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect())
