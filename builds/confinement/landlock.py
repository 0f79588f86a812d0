"""Landlock: file and network access that a process gives up for good, for itself and all that it starts.

The kernel's own interface (`man 7 landlock`), because the libraries for it either cover files alone (landlock) or
need Linux 6.7 (sandlock): Debian 12 has 6.1. What a kernel is too old for is left out, and `abi()` says which it is.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_CONNECT_TCP = 1 << 1
_BIND_TCP = 1 << 0
_SCOPES = 0b11  # abstract Unix sockets, signals

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST_ABI = (1 << 13) - 1
_DEVICES = 1 << 6 | 1 << 11  # MAKE_CHAR, MAKE_BLOCK: for nobody
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ONLY_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _Port(ctypes.Structure):
    _fields_ = (("access", ctypes.c_uint64), ("port", ctypes.c_uint64))


@lru_cache(maxsize=1)
def abi() -> int:
    """Return the version of this kernel's Landlock: 1 confines files, 4 also ports, 6 also signals; 0 for none."""
    if _LIBC is None:
        return 0
    return max(0, int(_LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))))


def ruleset(
    reads: Iterable[Path], writes: Iterable[Path], lists: Iterable[Path], ports: Iterable[int] | None
) -> int:
    """Return a descriptor of the rules: what may be read and run, what also written, what only listed, which ports connected to.

    Paths that do not exist are left out. `ports` is None for any network. The caller closes the descriptor.
    """
    version = abi()
    handled = _FIRST_ABI
    for since, access in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        handled |= access if version >= since else 0
    net = _CONNECT_TCP | _BIND_TCP if version >= 4 and ports is not None else 0
    attributes = _Ruleset(handled, net, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in reads:
            _allow(rules, path, _READ & handled)
        for path in writes:
            _allow(rules, path, handled & ~(_DEVICES | _IOCTL_DEV))
        for path in lists:
            _allow(rules, path, _READ_DIR)
        for port in ports or () if net else ():
            rule = _Port(_CONNECT_TCP, port)
            _call(
                *(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(_NET_PORT)),
                *(ctypes.byref(rule), ctypes.c_uint32(0)),
            )
    except BaseException:
        os.close(rules)
        raise
    return rules


def restrict(rules: int) -> None:
    """Put this process under the rules, for good. It must have given up new privileges before."""
    _call(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))


def _allow(rules: int, path: Path, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _ONLY_FILES
        rule = _Beneath(access, descriptor)
        _call(
            *(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(_PATH_BENEATH)),
            *(ctypes.byref(rule), ctypes.c_uint32(0)),
        )
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    assert _LIBC is not None  # noqa: S101
    result = int(_LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
