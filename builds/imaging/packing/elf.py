"""Programs and libraries in packages: for which machine each is made, by the first bytes of its file."""

from __future__ import annotations

from typing import Any

from builds.imaging.oci.gzipped import Damaged
from builds.imaging.packing.wheel import LARGE, Member, Wheel

HEAD = 20  # bytes that say it
_MAGIC = b"\x7fELF"
# Class (32 or 64 bits), byte order and number of a machine, by its name among wheels.
_MACHINES = {
    "x86_64": (2, 1, 62),
    "aarch64": (2, 1, 183),
    "ppc64le": (2, 1, 21),
    "s390x": (2, 2, 22),
    "i686": (1, 1, 3),
    "armv7l": (1, 1, 40),
    "riscv64": (2, 1, 243),
}
_NAMES = {number: name for name, number in _MACHINES.items()}
# Code for graphics cards and for the kernel's own machine, which a package on any machine may hold.
_NO_PROCESSOR = frozenset((190, 205, 224, 247))
_MOST_SHOWN = 20
_SOURCES = (".py", ".pyi")  # most of a wheel's files, which Python reads as text


def machine_of(head: bytes) -> str:
    """Return the machine that a file is made for, as wheels call it; empty for what is no program of a processor."""
    if len(head) < HEAD or not head.startswith(_MAGIC):
        return ""
    bits, order = head[4], head[5]
    number = int.from_bytes(head[18:20], "big" if order == 2 else "little")
    if number in _NO_PROCESSOR:
        return ""
    return _NAMES.get((bits, order, number), f"machine {number} with {32 * bits} bits")


def is_known(machine: str) -> bool:
    """Return whether files for this machine are recognised."""
    return machine in _MACHINES


def starts_module(path: str, content: bytes) -> bool:
    """Return whether Python would import this library as the module that its name says."""
    name = path.rpartition("/")[2].partition(".")[0]
    return path.endswith(".so") and f"PyInit_{name}\0".encode() in content


def programs_in(wheel: Wheel, machine: str) -> dict[str, Any]:
    """Return how many programs and libraries of a wheel are for a machine, and those that are for another.

    `foreign` names up to 20 of them, modules of Python first: path, machine, and whether it is such a module.
    """
    fitting = count = 0
    foreign: list[tuple[str, str, bool]] = []
    for member in wheel.members:
        if member.path.endswith(_SOURCES):
            continue
        made_for = machine_of(_head(wheel, member))
        if made_for == machine:
            fitting += 1
        elif made_for:
            count += 1
            foreign.append((member.info.filename, made_for, _is_module(wheel, member)))
            foreign = sorted(foreign, key=lambda each: (not each[2], each[0]))[:_MOST_SHOWN]
    return {"fitting": fitting, "count": count, "foreign": foreign}


def _is_module(wheel: Wheel, member: Member) -> bool:
    if member.info.file_size > LARGE:
        return member.path.endswith(".so")
    return starts_module(member.path, wheel.content(member.info))


def _head(wheel: Wheel, member: Member) -> bytes:
    """Return the first bytes of a member, without unpacking more of it than they need."""
    stream = wheel.stream(member.info)
    head = b""
    try:
        for piece in wheel.pieces(member.info) if stream is None else stream.chunks(2 * HEAD):
            head += piece
            if len(head) >= HEAD:
                break
    except Damaged as error:
        raise wheel.damaged(member.info, error) from error
    return head
