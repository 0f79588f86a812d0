"""The process that packs wheels: reads a request per line from stdin, writes a response per line to stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from builds.imaging.child_process import die_with_parent
from builds.imaging.files import WheelFile
from builds.imaging.packing.bytecode import Compilers
from builds.imaging.packing.segment import Packer
from builds.imaging.reporting import ImageError


def main() -> None:
    """Pack the requested wheels until stdin ends."""
    die_with_parent()
    # Ending in an orderly way removes what is half written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    settings: dict[str, Any] = json.loads(sys.stdin.readline())
    with ExitStack() as stack:
        interpreter = settings["interpreter"]
        compilers = stack.enter_context(Compilers(interpreter, settings["jobs"])) if interpreter else None
        packer = Packer(tuple(settings["python"]), compilers, settings["compression"])
        for line in sys.stdin:
            print(json.dumps(_answer(packer, json.loads(line))), file=answers, flush=True)


def _answer(packer: Packer, request: dict[str, Any]) -> dict[str, Any]:
    try:
        wheel = WheelFile.from_json(request["wheel"])
        return asdict(packer.pack(wheel, Path(request["out"]), alone=request["alone"]))
    except ImageError as error:
        return {"code": error.code, "message": error.message, "help": error.help, "fault": error.fault}


if __name__ == "__main__":
    main()
