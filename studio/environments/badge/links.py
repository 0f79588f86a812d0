"""The addresses of badges: open where anyone may pull, else with a key that nobody can guess."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from environments.models import Environment
from environments.public_url import absolute_url

_SALT = "studio.environments.badge"


@dataclass(frozen=True)
class BadgeLink:
    """A badge's address, and the Markdown that shows it with a link to the environment."""

    path: str  # of this site, for the page itself
    url: str
    markdown: str
    public: bool


def badge_of(environment: Environment, request: HttpRequest) -> BadgeLink:
    """Return the badge of an environment, for those who see it."""
    names = [environment.workspace.name, environment.name]
    path = reverse("badge", args=names)
    public = environment.workspace.anonymous_pull
    if not public:
        path += "?" + urlencode({"key": key_of(environment)})
    url = absolute_url(path, request)
    page = absolute_url(reverse("environment", args=names), request)
    label = environment.shown_name
    for mark in "\\`*_[]<>!":
        label = label.replace(mark, f"\\{mark}")
    # Parentheses are no part of an address in Markdown.
    target = page.replace("(", "%28").replace(")", "%29")
    image = url.replace("(", "%28").replace(")", "%29")
    return BadgeLink(path, url, f"[![{label}]({image})]({target})", public)


def key_of(environment: Environment) -> str:
    """Return the key in the address of an environment's badge."""
    value = f"{environment.pk} {environment.created_at.isoformat()}"
    return salted_hmac(_SALT, value, algorithm="sha256").hexdigest()[:40]


def may_see_badge(environment: Environment, key: str) -> bool:
    """Return whether a request with this key may see the badge: any request, where anyone may pull."""
    return environment.workspace.anonymous_pull or constant_time_compare(key_of(environment), key)
