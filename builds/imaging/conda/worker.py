"""The worker process around rattler, and the reader of conda packages.

rattler is native code that once ended its whole process. So it never runs in the studio's own.
"""

from __future__ import annotations

import os
import traceback
from dataclasses import asdict
from functools import partial
from typing import Any

from builds.imaging.child_process import answer_requests
from builds.imaging.conda.archive import contents
from builds.imaging.conda.packing import Packing
from builds.imaging.conda.solving import answer_order, answer_solving
from builds.imaging.files import WheelFile
from builds.imaging.reporting import ImageError


def main() -> None:
    """Answer until stdin ends."""
    with Packing() as packing:
        answer_requests(partial(_answer, packing))
    # Its own ending is what went wrong: nothing of it is needed any more.
    os._exit(0)


def _answer(packing: Packing, request: dict[str, Any]) -> dict[str, Any]:
    try:
        match request["do"]:
            case "solve":
                return answer_solving(request)
            case "order":
                return answer_order(request)
            case "read":
                return asdict(contents(WheelFile.from_json(request["file"])))
            case _:
                return packing.answer(request)
    except ImageError:
        raise
    except Exception as error:  # rattler has a class of its own for each thing that can go wrong
        traceback.print_exc()
        message = f"Conda packages could not be worked with: {type(error).__name__}: {error}"
        return {"code": "conda-failed", "message": message, "help": "", "fault": "studio"}


if __name__ == "__main__":
    main()
