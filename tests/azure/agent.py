"""Runs client code in the virtual environment of the SDKs: a JSON object a line in, a JSON object a line out.

It is a program of that environment: nothing of the studio can be imported here.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
import traceback
from typing import Any


def main() -> None:
    """Run what comes until the end of the input; names stay from one piece of code to the next."""
    answers = sys.stdout
    names: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            answer = run(request["code"], names | request["values"], names)
        answers.write(json.dumps(answer | {"printed": printed.getvalue()}, default=str) + "\n")
        answers.flush()


def run(code: str, values: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Run the code and return the value of its last expression, or what was raised."""
    names.update(values)
    try:
        tree = ast.parse(code)
        last = tree.body[-1] if tree.body else None
        value = None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, "<client>", "exec"), names)  # noqa: S102 (the tests' own code)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<client>", "eval"), names)  # noqa: S307
        json.dumps(value, default=str)
    except Exception as error:
        shown = getattr(error, "error", None)
        return {
            "raised": type(error).__name__,
            "message": str(error),
            "status": getattr(error, "status_code", None),
            "code": getattr(shown, "code", None),
            "details": [[detail.code, detail.message] for detail in getattr(shown, "details", None) or ()],
            "traceback": traceback.format_exc(),
        }
    return {"value": value}


if __name__ == "__main__":
    main()
