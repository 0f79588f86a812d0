"""A process that works with rattler: reads one question a line from stdin, writes one answer a line.

rattler is native code that once ended its whole process. So it never runs in the studio's own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from typing import Any

from builds.images.child import die_with_parent
from builds.images.conda.packing import Packing
from builds.images.conda.solving import answer_solving
from builds.images.report import ImageError


def main() -> None:
    """Answer until stdin ends."""
    die_with_parent()
    # Ending in an orderly way removes what is half written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with Packing() as packing:
        for line in sys.stdin:
            print(json.dumps(_answer(json.loads(line), packing)), file=answers, flush=True)
    # Its own ending is what went wrong: nothing of it is needed any more.
    os._exit(0)


def _answer(asked: dict[str, Any], packing: Packing) -> dict[str, Any]:
    try:
        return answer_solving(asked) if asked["do"] == "solve" else packing.answer(asked)
    except ImageError as error:
        return {"code": error.code, "message": error.message, "help": error.help, "fault": error.fault}
    except Exception as error:  # rattler has a class of its own for each thing that can go wrong
        traceback.print_exc()
        message = f"Conda packages could not be worked with: {type(error).__name__}: {error}"
        return {"code": "conda-failed", "message": message, "help": "", "fault": "studio"}


if __name__ == "__main__":
    main()
