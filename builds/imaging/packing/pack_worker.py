"""A process that packs wheels: reads one request a line from stdin, writes one answer a line to stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from builds.images.bytecode import Compilers
from builds.images.child import die_with_parent
from builds.images.report import ImageError
from builds.images.segment import Packer, WheelFile
from builds.images.store import BlobStore
from builds.images.workshop import Workshop


def main() -> None:
    """Pack what is asked for until stdin ends."""
    die_with_parent()
    # Ending in an orderly way removes what is half written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    workshop = Workshop(store=BlobStore(told["store"]), cache=Path(told["cache"]), jobs=told["jobs"])
    with ExitStack() as stack:
        interpreter = told["interpreter"]
        compilers = stack.enter_context(Compilers(interpreter, told["jobs"])) if interpreter else None
        packer = Packer(workshop, tuple(told["python"]), compilers)
        for line in sys.stdin:
            print(json.dumps(_answer(packer, json.loads(line))), file=answers, flush=True)


def _answer(packer: Packer, asked: dict[str, Any]) -> dict[str, Any]:
    wheel = WheelFile(asked["name"], asked["version"], Path(asked["path"]), asked["sha256"], asked["size"])
    try:
        packer.pack(wheel, alone=asked["alone"])
    except ImageError as error:
        return {"code": error.code, "message": error.message, "help": error.help, "fault": error.fault}
    return {}


if __name__ == "__main__":
    main()
