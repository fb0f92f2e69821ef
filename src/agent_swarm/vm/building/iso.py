"""A small ISO 9660 file system: what cloud-init reads its instructions from, made without any tool. Pure.

One folder, names in capitals as the standard wants them, which Linux shows in small letters.
"""

import struct
from collections.abc import Mapping

_SECTOR = 2048
_FIRST_FILE = 21  # behind 16 empty sectors, two descriptors, two path tables and the folder
_FOLDER, _FILE = 2, 0


def image(volume: str, files: Mapping[str, bytes]) -> bytes:
    """A disc with these files in its only folder; ValueError for a name that does not fit."""
    extents, content = _laid_out(files)
    records = _record(b"\0", 20, _SECTOR, _FOLDER) + _record(b"\1", 20, _SECTOR, _FOLDER)
    for name, (sector, size) in sorted(extents.items()):
        records += _record(name, sector, size, _FILE)
    if len(records) > _SECTOR:
        raise ValueError(f"{len(files)} files do not fit into one folder")
    path = struct.pack("<BBIH2s", 1, 0, 20, 1, b"\0\0")
    path_reversed = struct.pack(">BBIH2s", 1, 0, 20, 1, b"\0\0")
    sectors = [
        *[b""] * 16,
        _descriptor(volume, _FIRST_FILE + len(content) // _SECTOR, len(path)),
        b"\xffCD001\1",
        path,
        path_reversed,
        records,
    ]
    return b"".join(sector.ljust(_SECTOR, b"\0") for sector in sectors) + content


def _laid_out(files: Mapping[str, bytes]) -> tuple[dict[bytes, tuple[int, int]], bytes]:
    extents: dict[bytes, tuple[int, int]] = {}
    content = b""
    for name, data in files.items():
        written = f"{name.upper()}.;1".encode("ascii")
        if len(written) > 30 or "." in name:
            raise ValueError(f"{name!r} cannot be a name on a disc")
        extents[written] = (_FIRST_FILE + len(content) // _SECTOR, len(data))
        content += data + b"\0" * (-len(data) % _SECTOR)
    return extents, content


def _both(value: int) -> bytes:
    return struct.pack("<I", value) + struct.pack(">I", value)


def _both_short(value: int) -> bytes:
    return struct.pack("<H", value) + struct.pack(">H", value)


def _record(name: bytes, sector: int, size: int, flags: int) -> bytes:
    length = 33 + len(name) + (len(name) + 1) % 2
    made_at = bytes((70, 1, 1, 0, 0, 0, 0))
    record = bytes((length, 0)) + _both(sector) + _both(size) + made_at + bytes((flags, 0, 0)) + _both_short(1)
    return (record + bytes((len(name),)) + name).ljust(length, b"\0")


def _descriptor(volume: str, sectors: int, path_bytes: int) -> bytes:
    never = b"0" * 16 + b"\0"
    return b"".join(
        (
            b"\1CD001\1\0",
            b" " * 32 + volume.encode("ascii").ljust(32),
            b"\0" * 8 + _both(sectors) + b"\0" * 32,
            _both_short(1) + _both_short(1) + _both_short(_SECTOR),
            _both(path_bytes),
            struct.pack("<II", 18, 0) + struct.pack(">II", 19, 0),
            _record(b"\0", 20, _SECTOR, _FOLDER),
            b" " * (128 * 4 + 37 * 3),
            never * 4,
            b"\1\0",
        )
    )
