"""A seccomp filter: system calls that no installer, solver or compiler needs fail with EPERM.

It closes what Landlock leaves open: other processes' memory, kernel interfaces with a history of holes, mounts,
namespaces, and sockets other than TCP: Landlock does not cover the Docker Engine's Unix socket, nor UDP. Without
network, TCP sockets are refused too. So that the limits of a process are all that it can use, memory that they do not
count is refused, and so are new processes unless it needs some; threads are not.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from functools import lru_cache
from typing import Literal

# name: number on x86_64, number on aarch64 (None: not there)
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "mknod": (133, None),
    "mknodat": (259, 33),
    # Memory that no limit counts.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    # A process stays in the session by which it is watched and ended.
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "iopl": (172, None),
    "ioperm": (173, None),
}
_SOCKET = (41, 198)
_MMAP = (9, 222)
_MAP_SHARED, _MAP_ANONYMOUS, _MAP_GROWSDOWN = 0x01, 0x20, 0x100
_FORKS = ((57, None), (58, None))  # fork, vfork
_CLONE, _CLONE3 = (56, 220), (435, 435)
_CLONE_THREAD = 0x00010000
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_TYPE_MASK = 1, 0xF
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCH_AT, _FIRST_AT, _SECOND_AT, _FOURTH_AT = 0, 4, 16, 24, 40
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NOT_THERE = 0x00050000 | errno.ENOSYS
_X32 = 0x40000000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


Sockets = Literal["none", "tcp", "any"]
"""The sockets that can be made: none, TCP alone, or any but Unix sockets, which lead to other programs here."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def available() -> bool:
    """Return whether there is a filter for this machine."""
    return sys.platform == "linux" and platform.machine() in _ARCHITECTURES


@lru_cache(maxsize=6)
def program(sockets: Sockets, *, processes: bool) -> bytes:
    """Return the filter as BPF instructions, with or without new processes. Pairs of connected sockets can always be made."""
    column, architecture = _ARCHITECTURES[platform.machine()]
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),  # the same calls under other numbers
        (_RETURN, 0, 0, _ERROR),
    ]
    for numbers in _REFUSED.values():
        number = numbers[column]
        if number is not None:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR)]
    if not processes:
        code += _no_processes(column)
    code += _counted_memory(_MMAP[column])
    code += _sockets(_SOCKET[column], sockets)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _no_processes(column: int) -> list[tuple[int, int, int, int]]:
    """Refuse new processes. The flags of clone3 are out of a filter's sight: without it, libraries use clone."""
    code: list[tuple[int, int, int, int]] = []
    for numbers in _FORKS:
        if (number := numbers[column]) is not None:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR)]
    code += [(_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _NOT_THERE)]
    thread = [
        (_LOAD, 0, 0, _FIRST_AT),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERROR),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return [*code, (_EQUAL, 0, len(thread), _CLONE[column]), *thread]


def _counted_memory(mmap: int) -> list[tuple[int, int, int, int]]:
    """Refuse shared memory without a file, and stacks that grow: RLIMIT_DATA counts neither."""
    rules = [
        (_LOAD, 0, 0, _FOURTH_AT),
        (_ANY_BIT, 3, 0, _MAP_GROWSDOWN),
        (_AND, 0, 0, _MAP_SHARED | _MAP_ANONYMOUS),
        (_EQUAL, 1, 0, _MAP_SHARED | _MAP_ANONYMOUS),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERROR),
    ]
    return [(_EQUAL, 0, len(rules), mmap), *rules]


def _sockets(number: int, sockets: Sockets) -> list[tuple[int, int, int, int]]:
    refuse, allow = (_RETURN, 0, 0, _ERROR), (_RETURN, 0, 0, _ALLOW)
    families: list[tuple[int, int, int, int]] = []
    if sockets == "any":
        families = [(_LOAD, 0, 0, _FIRST_AT), (_EQUAL, 1, 0, _AF_UNIX), allow]
    elif sockets == "tcp":
        families = [
            (_LOAD, 0, 0, _FIRST_AT),
            (_EQUAL, 2, 0, _AF_INET),
            (_EQUAL, 1, 0, _AF_INET6),
            refuse,
            (_LOAD, 0, 0, _SECOND_AT),
            (_AND, 0, 0, _SOCK_TYPE_MASK),
            (_EQUAL, 0, 1, _SOCK_STREAM),
            allow,
        ]
    families.append(refuse)
    return [(_EQUAL, 0, len(families), number), *families]


def install(instructions: bytes) -> None:
    """Put this process under the filter, for good. It must have given up new privileges before."""
    assert _LIBC is not None  # noqa: S101
    whole = _Program(len(instructions) // 8, instructions)
    if _LIBC.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(whole), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp: the filter was refused")
