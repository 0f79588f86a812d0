"""The addresses of badges: open where anyone may pull, else with a key that an owner created."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from environments.models import BadgeKey, Environment
from environments.public_url import absolute_url
from environments.sharing.badge_keys import is_key_of, secret_of


@dataclass(frozen=True)
class BadgeLink:
    """A badge's address, and the Markdown that shows it with a link to the environment."""

    path: str  # of this site, for the page itself
    url: str
    markdown: str
    key: BadgeKey | None = None


def badge_link(environment: Environment, key: BadgeKey | None, request: HttpRequest) -> BadgeLink:
    """Return the badge with this key; without one as anyone sees it where anyone may pull."""
    names = [environment.workspace.name, environment.name]
    path = reverse("badge", args=names)
    if key is not None:
        path += "?" + urlencode({"key": secret_of(key)})
    url = absolute_url(path, request)
    page = absolute_url(reverse("environment", args=names), request)
    label = environment.shown_name
    for mark in "\\`*_[]<>!":
        label = label.replace(mark, f"\\{mark}")
    # Parentheses are no part of an address in Markdown.
    target = page.replace("(", "%28").replace(")", "%29")
    image = url.replace("(", "%28").replace(")", "%29")
    return BadgeLink(path, url, f"[![{label}]({image})]({target})", key)


def badges_of(environment: Environment, request: HttpRequest) -> list[BadgeLink]:
    """Return the badges that members can copy: the open one where anyone may pull, and one for each key."""
    keys = list(environment.badge_keys.select_related("created_by").order_by("-pk"))
    for key in keys:
        key.environment = environment
    open_one = [None] if environment.workspace.anonymous_pull else []
    return [badge_link(environment, key, request) for key in [*open_one, *keys]]


def may_see_badge(environment: Environment, secret: str) -> bool:
    """Return whether a request with this secret may see the badge: any request, where anyone may pull."""
    return environment.workspace.anonymous_pull or is_key_of(environment, secret)
