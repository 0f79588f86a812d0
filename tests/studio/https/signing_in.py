"""Sign in to a studio that several tests share: its own link works once, and no more once another was used."""

from __future__ import annotations

import httpx

from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio


def sign_in(studio: Studio, client: httpx.Client, prefix: str = "") -> None:
    """Sign in by a new one-time link."""
    done = run_preloaded(["manage.py", "person", "link", "admin"], env=studio.environment())
    assert done.returncode == 0, done.stderr
    path = next(word for word in done.stdout.split() if "/login/" in word).partition("/login/")[2]
    client.get(f"/login/{path}")
    token = client.cookies[f"{prefix}studio_csrf"]
    headers = {"Origin": str(client.base_url).rstrip("/")}
    answer = client.post(f"/login/{path}", data={"csrfmiddlewaretoken": token}, headers=headers)
    assert answer.status_code == 302, answer.text
