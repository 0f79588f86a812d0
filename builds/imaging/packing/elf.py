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


def programs_in(wheel: Wheel) -> dict[str, Any]:
    """Return the programs and libraries of a wheel.

    `machines` has for each machine their number and the first 20 paths; `modules` the modules of Python (path and
    machine, up to 20) that are made for another machine than the wheel's name says.
    """
    own = next((name for name in _MACHINES if wheel.file.stem.endswith(f"_{name}")), "")
    machines: dict[str, dict[str, Any]] = {}
    modules: list[tuple[str, str]] = []
    for member in wheel.members:
        if member.path.endswith(_SOURCES):
            continue
        machine = machine_of(_head(wheel, member))
        if not machine:
            continue
        entry = machines.setdefault(machine, {"count": 0, "paths": []})
        entry["count"] += 1
        if len(entry["paths"]) < _MOST_SHOWN:
            entry["paths"].append(member.info.filename)
        if own and machine != own and len(modules) < _MOST_SHOWN and _is_module(wheel, member):
            modules.append((member.info.filename, machine))
    return {"machines": machines, "modules": modules}


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
