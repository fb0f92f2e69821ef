"""Cut a stream of bytes into lines, and remember the end of one. Pure; both are bounded whatever is fed to them."""

MAX_LINE_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 16 * 1024


class LineSplitter:
    """Feed it chunks, take out lines without their newline.

    A line longer than `limit` is cut there and says so at its end; it is never an error.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._partial = bytearray()
        self._is_cut = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes."""
        *ended, rest = chunk.split(b"\n")
        lines = []
        for piece in ended:
            self._extend(piece)
            lines.append(self._take())
        self._extend(rest)
        return lines

    def finish(self) -> bytes | None:
        """The last line where it had no newline."""
        return self._take() if self._partial else None

    def _extend(self, piece: bytes) -> None:
        room = self._limit - len(self._partial)
        self._is_cut = self._is_cut or len(piece) > room
        self._partial += piece[:room]

    def _take(self) -> bytes:
        line = bytes(self._partial)
        if self._is_cut:
            line += b" [cut: the line is longer than %d bytes]" % self._limit
        self._partial.clear()
        self._is_cut = False
        return line


class Tail:
    """The last bytes of a stream."""

    def __init__(self, limit: int = TAIL_BYTES) -> None:
        self._limit = limit
        self._bytes = bytearray()
        self._is_cut = False

    def feed(self, chunk: bytes) -> None:
        """Take in `chunk`, forget what is now too far back."""
        self._bytes += chunk
        if len(self._bytes) > self._limit:
            del self._bytes[: -self._limit]
            self._is_cut = True

    def text(self) -> str:
        """What is remembered, decoded; bytes that are not UTF-8 show as U+FFFD."""
        start = 0
        while self._is_cut and start < 3 and self._bytes[start] & 0xC0 == 0x80:  # the end of a character that was cut
            start += 1
        return self._bytes[start:].decode("utf-8", errors="replace")
