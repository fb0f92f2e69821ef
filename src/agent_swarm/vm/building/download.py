"""Fetches an image: with a checksum that is known beforehand, from where an earlier try was cut off, with progress.

What has come stays in a file beside the images until its checksum is right; then it counts, else it goes.
"""

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent_swarm.faults import crash_point
from agent_swarm.vm import room
from agent_swarm.vm.errors import DownloadFailed, InvalidImage

Progress = Callable[[int, int], object]  # bytes that are here, bytes in all; 0 where nobody knows

_TRIES: Final = 5  # in a row without a byte
_CHUNK_BYTES: Final = 1 << 20
_SECONDS: Final = 30.0
_MOST_SUMS_BYTES: Final = 1 << 20


def fetch(
    url: str, part: Path, *, sha256: str, progress: Progress, pause: Callable[[float], object] = time.sleep
) -> None:
    """Have the whole content of `url` in the file `part`, of which the beginning may be there already.

    Raises DownloadFailed, which leaves what has come for the next try, and InvalidImage, which leaves nothing.
    """
    had_some = part.exists() and part.stat().st_size > 0
    _complete(url, part, progress, pause)
    if _sha256(part) != sha256.lower() and had_some:  # the beginning was of something else
        part.unlink()
        _complete(url, part, progress, pause)
    if (actual := _sha256(part)) != sha256.lower():
        part.unlink()
        raise InvalidImage(
            f"the SHA-256 of {url} is {actual}, expected {sha256.lower()}",
            hint="somebody or something changed it on the way; try again, or get the right checksum: --sha256",
        )


def published_sha256(url: str, sums_url: str) -> str:
    """The checksum that a list of checksums has for the file of `url`; raises DownloadFailed, InvalidImage."""
    name = urlsplit(url).path.rpartition("/")[2]
    try:
        with _opened(sums_url, 0) as answer:
            text = answer.read(_MOST_SUMS_BYTES).decode("utf-8", "replace")
    except (OSError, HTTPException) as exc:
        raise _failed(sums_url, exc) from exc
    for line in text.splitlines():
        digest, _, listed = line.partition(" ")
        if listed.strip().removeprefix("*") == name and len(digest) == 64:
            return digest
    raise InvalidImage(f"{sums_url} has no checksum of {name}", hint="give the checksum yourself: --sha256")


def _complete(url: str, part: Path, progress: Progress, pause: Callable[[float], object]) -> None:
    tries = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _go_on(url, part, before, progress):
                return
            problem: Exception = ConnectionError("the connection ended too early")
        except urllib.error.HTTPError as exc:
            if exc.code < 500 and exc.code != 429:
                raise _failed(url, exc) from exc
            problem = exc
        except (OSError, HTTPException) as exc:
            problem = exc
        tries = 0 if part.exists() and part.stat().st_size > before else tries + 1
        if tries >= _TRIES:
            raise _failed(url, problem) from problem
        pause(min(0.25 * 2.0**tries, 5.0))


def _go_on(url: str, part: Path, have: int, progress: Progress) -> bool:
    """Append what is missing; whether all of it is here now."""
    try:
        answer = _opened(url, have)
    except urllib.error.HTTPError as exc:
        if exc.code != 416 or not have:
            raise
        total = exc.headers.get("Content-Range", "").rpartition("/")[2]
        if total == str(have):
            return True
        part.unlink()  # it is longer than what is there, so it is of something else
        return False
    with answer:
        _refuse_pages(url, answer)
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        here = have if goes_on else 0
        length = int(answer.headers.get("Content-Length") or 0)
        if length:
            room.require_disk(part.parent, length)
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                here += len(chunk)
                crash_point("download.torn")
                progress(here, (have if goes_on else 0) + length if length else 0)
        return not length or here == (have if goes_on else 0) + length


def _opened(url: str, have: int) -> HTTPResponse:
    if urlsplit(url).scheme not in ("http", "https"):
        raise InvalidImage(f"{url!r} is no http:// or https:// address", hint="give a file by --image")
    headers = {"User-Agent": "agent-swarm", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers={**headers, **({"Range": f"bytes={have}-"} if have else {})})  # noqa: S310 - as above
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310 - as above
    return answer


def _refuse_pages(url: str, answer: HTTPResponse) -> None:
    kind = answer.headers.get_content_type()
    if kind in ("text/html", "application/json", "application/xhtml+xml"):
        raise InvalidImage(
            f"{url} is no disk image, the server sends {kind}", hint="it may be an error page: look at it in a browser"
        )


def _failed(url: str, problem: Exception) -> DownloadFailed:
    reason = getattr(problem, "reason", None) or str(problem) or type(problem).__name__
    code = f"{problem.code} " if isinstance(problem, urllib.error.HTTPError) else ""
    with suppress(AttributeError):
        reason = reason.strerror or reason  # type: ignore[union-attr]
    return DownloadFailed(
        f"cannot fetch {url}: {code}{reason}", hint="run the same command again: it goes on where this one stopped"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
