"""Where a flag can stand for servers far away: an object, in a directory or behind a URL.

An `ObjectStore` gets one object and says whether it changed. Over HTTP that is a GET with `If-None-Match`, which
public and signed URLs of the usual object stores answer; nothing is listed, nothing is written.
"""

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from agent_swarm.server.killing.flags import FLAG_BYTES, Found, Gone, Unknown, judge_object


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it is now."""

    content: bytes
    version: str  # such as its ETag; empty where the store tells none


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It is the version that was asked about."""


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such object."""


class StoreUnreachable(Exception):
    """The store did not say whether there is an object, or said something else; the text is for people."""


class ObjectStore(Protocol):
    """Gets one object. Blocks; called in a thread."""

    def get(self, known: str) -> Stored | Unchanged | Missing:
        """The object, unless it is still of the version `known`. Raises StoreUnreachable."""
        ...


@dataclass(frozen=True, slots=True)
class DirectoryObject:
    """A file of a directory that somebody keeps in step with others."""

    path: Path

    def get(self, known: str) -> Stored | Unchanged | Missing:
        """The file; a directory that is not there is a store that cannot be reached."""
        try:
            found = self.path.stat()
            version = f"{found.st_ino}:{found.st_mtime_ns}:{found.st_size}"
            return Unchanged() if version == known else Stored(self.path.read_bytes()[:FLAG_BYTES], version)
        except FileNotFoundError as exc:
            if not self.path.parent.is_dir():
                raise StoreUnreachable("its directory is not there") from exc
            return Missing()
        except OSError as exc:
            raise StoreUnreachable(exc.strerror or type(exc).__name__) from exc


@dataclass(frozen=True, slots=True)
class HttpObject:
    """An object behind a URL. `authorization` is sent as that header, to this URL alone: redirects are not followed."""

    url: str
    authorization: str = ""
    timeout_seconds: float = 5.0

    def get(self, known: str) -> Stored | Unchanged | Missing:
        """A GET; only 200, 304 and 404 (410) say anything about the object."""
        headers = {"Cache-Control": "no-cache", "User-Agent": "agent-swarm"}
        if known:
            headers["If-None-Match"] = known
        if self.authorization:
            headers["Authorization"] = self.authorization
        request = urllib.request.Request(self.url, headers=headers)  # noqa: S310 - settings allow http and https only
        try:
            with _OPENER.open(request, timeout=self.timeout_seconds) as answer:
                if answer.status != 200:
                    raise StoreUnreachable(f"it answered HTTP {answer.status}")
                content = answer.read(FLAG_BYTES)
                return Stored(content, str(answer.headers.get("ETag") or ""))
        except urllib.error.HTTPError as exc:
            exc.close()
            if exc.code in (404, 410):
                return Missing()
            if exc.code == 304 and known:
                return Unchanged()
            raise StoreUnreachable(f"it answered HTTP {exc.code}") from exc
        except (OSError, http.client.HTTPException) as exc:
            reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
            raise StoreUnreachable(str(reason) or type(exc).__name__) from exc


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Credentials of a URL are for that URL; a redirect is no answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect())


class ObjectFlag:
    """An object as a flag: while it is there everything is stopped. Meets `flags.Flag`."""

    kind = "object"

    def __init__(self, store: ObjectStore, name: str, *, patience_seconds: float = 10.0) -> None:
        self.name = name
        self._store = store
        self._patience_seconds = patience_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kill-flag")
        self._known = ""
        self._last: Found = Unknown("it was not looked at yet")

    async def look(self) -> Found:
        """What is there now; the same as last time where the store says that nothing changed."""
        try:
            answer = await self._in_thread(lambda: self._store.get(self._known))
        except TimeoutError:
            return Unknown(f"no answer within {self._patience_seconds:g} s")
        except StoreUnreachable as exc:
            return Unknown(str(exc))
        match answer:
            case Stored(content, version):
                self._known, self._last = version, judge_object(content, version)
            case Missing():
                self._known, self._last = "", Gone()
            case Unchanged():
                pass
        return self._last

    def close(self) -> None:
        """Let go of the thread; a look under way is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        """Another look waits for one that hangs, within the same patience: at most one thread is ever held up."""
        looking = asyncio.get_running_loop().run_in_executor(self._thread, call)
        async with asyncio.timeout(self._patience_seconds):
            return await looking


def object_flag(url: str, authorization: str = "") -> ObjectFlag:
    """The flag at `https://…`, `http://…` or `file:///…`; its name is the address without what may be secret in it."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        return ObjectFlag(DirectoryObject(path), f"object:{path}")
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return ObjectFlag(HttpObject(url, authorization), f"object:{shown}")
