"""The guest that probes boot: some instructions that count down from 50 million and end the machine.

Written as bytes, since it has to be there on every host: no assembler, no kernel, no package. Interpreting its loop one
instruction at a time takes a minute, running it takes a hundredth of a second, translating it a quarter of one.
"""

import struct
from typing import Final

from agent_swarm.vm.qemu.hosts import Architecture

_ROUNDS: Final = 50_000_000

_X86_CODE: Final = b"".join(
    (
        b"\xfa",  # cli
        b"\x66\xb9" + struct.pack("<I", _ROUNDS),  # mov ecx, _ROUNDS
        b"\x66\x49",  # again: dec ecx
        b"\x75\xfc",  # jnz again
        b"\xba\xf4\x00",  # mov dx, 0xf4: QEMU's isa-debug-exit
        b"\xb0\x2a",  # mov al, 42
        b"\xee",  # out dx, al: QEMU ends with 2 * 42 + 1
        b"\xf4\xeb\xfd",  # hlt, and again
    )
)

# A boot sector ends with these two bytes; from a disk of nothing but a sector no firmware boots.
X86_DISK: Final = (_X86_CODE.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0")

AARCH64_KERNEL: Final = struct.pack(
    "<7I",
    0x52A00001 | (_ROUNDS >> 16) << 5,  # movz w1, _ROUNDS >> 16, lsl 16
    0x71000421,  # again: subs w1, w1, 1
    0x54FFFFE1,  # b.ne again
    0x52B08000,  # movz w0, 0x8400, lsl 16
    0x72800100,  # movk w0, 8: SYSTEM_OFF of PSCI
    0xD4000002,  # hvc 0: QEMU ends with 0
    0x14000000,  # b .
)

BOOTED_EXIT_CODE: Final = {Architecture.X86_64: 2 * 42 + 1, Architecture.AARCH64: 0}
