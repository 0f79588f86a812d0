"""The protection of every response: nobody frames it, no foreign script runs in it or reads its cookies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings as configured

INLINE = {
    "a script in the page": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=.application/json)[^>]*>\s*\S"),
    "a style in the page": re.compile(r"<style\b|<[a-z][^>]*\sstyle=", re.IGNORECASE),
    "a script in an attribute": re.compile(r"<[a-z][^>]*\son[a-z]+=", re.IGNORECASE),
    "a script as an address": re.compile(r"(?:href|src|action)=.javascript:", re.IGNORECASE),
    "something from elsewhere": re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=.(?:https?:)?//"),
}


def missing(response: Any) -> Iterator[str]:
    """Yield what an answer lacks."""
    policy = response.headers.get("Content-Security-Policy", "")
    wanted = ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'")
    for part in (*wanted, "form-action 'self'"):
        if part not in policy:
            yield f"{part} in its policy"
    if "unsafe" in policy or "*" in policy:
        yield f"a strict policy: {policy}"
    due = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    for name, value in due.items():
        if response.headers.get(name) != value:
            yield f"{name}: {value}"
    if "camera=()" not in response.headers.get("Permissions-Policy", ""):
        yield "Permissions-Policy"
    for name, cookie in response.cookies.items():
        if not cookie.value:
            continue  # it is taken away
        if not cookie["httponly"] or cookie["samesite"] not in ("Lax", "Strict"):
            yield f"HttpOnly and SameSite at the cookie {name}"
        if configured.SECURE_COOKIES and not cookie["secure"]:
            yield f"Secure at the cookie {name}"
    if response.headers.get("Content-Type", "").startswith("text/html") and not response.streaming:
        text = response.content.decode()
        yield from (f"a page without {what}" for what, pattern in INLINE.items() if pattern.search(text))
