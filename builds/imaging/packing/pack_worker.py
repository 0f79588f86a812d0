"""The process that packs wheels and compiles their modules: reads a request per line from stdin, writes a response per line to stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from builds.confinement.confine import die_with_parent
from builds.imaging.bytecode.compilers import Compilers
from builds.imaging.bytecode.interpreters import Interpreter, Minor
from builds.imaging.files import WheelFile
from builds.imaging.packing.modules import compile_modules
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
        major, minor = settings["python"]
        compilers = interpreter = None
        if settings["interpreter"]:
            interpreter = Interpreter.from_json(settings["interpreter"])
            compilers = stack.enter_context(Compilers(interpreter, settings["jobs"]))
        work = Work((major, minor), settings["compression"], compilers, interpreter)
        for line in sys.stdin:
            print(json.dumps(work.answer(json.loads(line))), file=answers, flush=True)


class Work:
    """Answers requests: to pack a wheel, or to compile modules of it."""

    def __init__(
        self,
        python: Minor,
        compression: str,
        compilers: Compilers | None,
        interpreter: Interpreter | None,
    ) -> None:
        self._packer = Packer(python, compression)
        self._compilers = compilers
        self._interpreter = interpreter

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is requested, and describe what was written."""
        wheel, out = WheelFile.from_json(request["wheel"]), Path(request["out"])
        try:
            if request["do"] == "pack":
                return asdict(self._packer.pack(wheel, out, alone=request["alone"]))
            assert self._compilers is not None  # noqa: S101
            assert self._interpreter is not None  # noqa: S101
            opened, paths = self._packer.opened(wheel), request["paths"]
            return {"modules": compile_modules(opened, paths, self._compilers, self._interpreter, out)}
        except ImageError as error:
            return {"code": error.code, "message": error.message, "help": error.help, "fault": error.fault}


if __name__ == "__main__":
    main()
