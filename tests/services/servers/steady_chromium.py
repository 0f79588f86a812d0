#!/usr/bin/env python3
"""Start the program in CHROMIUM so that it hears nothing of networks that come and go.

Chromium drops requests (ERR_NETWORK_CHANGED) when an interface of the machine gets or loses an address, as those of
containers do in tests that run beside. It learns of them from netlink: without such sockets it takes the network as it is.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from pathlib import Path

# It is started as a program of its own, by the machine's Python.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from builds.confinement import seccomp

SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
AF_NETLINK = 16
NUMBER_AT, FIRST_ARGUMENT_AT = 0, 16  # in struct seccomp_data
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
PR_SET_NO_NEW_PRIVS = 38

FILTER = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (LOAD, 0, 0, NUMBER_AT),
        (EQUAL, 0, 3, SOCKET),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (EQUAL, 0, 1, AF_NETLINK),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    )
)


def main() -> None:
    """Refuse netlink sockets to this process, for good, and become the program."""
    # Without it, only root may install a filter.
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    seccomp.install(FILTER)
    chromium = os.environ["CHROMIUM"]
    os.execv(chromium, [chromium, *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    main()
