"""Limit the size of requests, and refuse larger ones before anything is kept.

Django accepts a whole body from anyone and writes it to disk before a view runs.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from environments.versions.input import LIMITS
from studio.middleware.headers import POLICY

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

FORM = 1 << 20
"""What a form is beside its file and its texts."""


def most_bytes() -> int:
    """Return how large a request may be: the largest file that there may be, and the fields beside it."""
    return LIMITS.context + int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0) + FORM


async def within_bounds(app: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Have a request answered, or refuse it (413) as soon as it says or shows that it is too large."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    left = most_bytes()
    if length.isdigit() and int(length) > left:
        await refuse(scope, send)
        return
    answered = False

    async def counted() -> MutableMapping[str, Any]:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return message if left >= 0 else {"type": "http.disconnect"}

    async def noticed(message: MutableMapping[str, Any]) -> None:
        nonlocal answered
        answered = True
        await send(message)

    await app(scope, counted, noticed)
    if left < 0 and not answered:
        await refuse(scope, send)


async def refuse(scope: Scope, send: Send) -> None:
    """Answer that it is too large, in the form in which the address answers."""
    message = f"A request may have up to {most_bytes() // 2**20} MB."
    if scope["path"].startswith("/api/"):
        kind, body = (
            "application/json",
            json.dumps({"code": "too-large", "message": message, "errors": {}}),
        )
    elif scope["path"].startswith("/v2/"):
        kind, body = (
            "application/json",
            json.dumps({"errors": [{"code": "SIZE_INVALID", "message": message}]}),
        )
    elif scope["path"].lower().startswith(("/subscriptions", "/environment/", "/mferp/")):
        kind, body = (
            "application/json",
            json.dumps({"error": {"code": "RequestEntityTooLarge", "message": message}}),
        )
    elif scope["path"].startswith("/blobstore/"):
        code = "<Code>RequestBodyTooLarge</Code>"
        kind, body = "application/xml", f"<Error>{code}<Message>{message}</Message></Error>"
    else:
        kind, body = "text/html; charset=utf-8", render_to_string("400.html")
    headers = {
        "Content-Type": kind,
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Connection": "close",  # the rest of the body is not read
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 413, "headers": encoded})
    await send({"type": "http.response.body", "body": body.encode()})
