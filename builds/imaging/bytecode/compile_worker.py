"""The process that compiles Python sources: reads batches from stdin, writes bytecode to stdout.

Runs as a script under the target's Python, which may be older than the studio's: it imports nothing else.
"""

import ctypes
import gc
import importlib.util
import marshal
import os
import signal
import struct
import sys
import warnings
from typing import Optional

LENGTH = struct.Struct("<Q")
# The second version of the format has no references, whose places depend on what was compiled before.
MARSHAL_VERSION = 2
UNCHECKED_HASH = struct.pack("<I", 0b01)


def compiled(source: bytes, path: str) -> Optional[bytes]:  # noqa: UP045
    """Return the .pyc of a source as the file at `path`, or None for one that is no Python."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    return head + marshal.dumps(code, MARSHAL_VERSION)


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    warnings.simplefilter("ignore")
    gc.disable()
    incoming = os.fdopen(0, "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        length = incoming.read(LENGTH.size)
        if len(length) < LENGTH.size:
            return
        batch = marshal.loads(incoming.read(LENGTH.unpack(length)[0]))  # noqa: S302
        answer = marshal.dumps([compiled(source, path) for path, source in batch])
        outgoing.write(LENGTH.pack(len(answer)) + answer)
        outgoing.flush()


if __name__ == "__main__":
    main()
