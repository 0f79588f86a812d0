"""Follow the links of pages, and press their buttons: what a page offers a user has to work."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urldefrag, urlencode, urljoin, urlsplit

from django.db import transaction
from django.http import Http404
from django.test import Client
from django.urls import resolve

INVALID = 422  # a form that lacks something: its page is shown again
FIRST_PAGES = {"environment", "version", "edit", "rebuild"}
Fields = list[tuple[str, str]]


@dataclass
class Form:
    """A form, with what it sends as it is, and its buttons: names, values and addresses of their own."""

    action: str
    method: str
    fields: Fields = field(default_factory=list)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """The answer to a link or a button of a page."""

    what: str
    page: str
    status: int
    location: str
    text: str

    @property
    def refused(self) -> bool:
        """Whether it leads nowhere, or to the sign-in page."""
        wrong = self.status >= 400 and self.status != INVALID
        return wrong or self.location.startswith("/login/")

    def __str__(self) -> str:
        return f"{self.status} {self.location} for {self.what}, which {self.page or 'the start'} offers"


class Markup(HTMLParser):
    """The links and the forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._named: dict[str, Form] = {}
        self._elsewhere: list[tuple[str, dict[str, str]]] = []  # controls of a form that they name
        self._select = ""
        self._disabled: list[bool] = []  # of the fieldsets around
        self.feed(text)
        self.close()
        for tag, attributes in self._elsewhere:
            if (form := self._named.get(attributes["form"])) is not None:
                self._add(form, tag, attributes)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if "hx-get" in given:
            self.links.append(given["hx-get"])
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
            self._named[given.get("id", "")] = self._open
        elif tag == "fieldset":
            self._disabled.append("disabled" in given)
        elif tag == "option" and self._select and self._open is not None:
            chosen = [value for name, value in self._open.fields if name == self._select]
            if "selected" in given or not chosen:
                others = [pair for pair in self._open.fields if pair[0] != self._select]
                self._open.fields = [*others, (self._select, given.get("value", ""))]
        elif tag in ("input", "textarea", "select", "button") and "disabled" not in given:
            if "form" in given:
                self._elsewhere.append((tag, given))
            elif self._open is not None and not any(self._disabled):
                self._add(self._open, tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = ""
        elif tag == "fieldset":
            self._disabled.pop()

    def _add(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "submit" if tag == "button" else "text")
        if kind == "submit":
            form.buttons.append((name, given.get("value", ""), given.get("formaction", "")))
        elif tag == "select":
            self._select = name
        elif (
            name
            and kind not in ("button", "reset")
            and (kind not in ("checkbox", "radio") or "checked" in given)
        ):
            form.fields.append((name, given.get("value", "on" if kind in ("checkbox", "radio") else "")))


def kind_of(url: str) -> tuple[object, ...]:
    """Return what tells pages apart: their route, workspace and tab; each environment has a first page of its own."""
    parts = urlsplit(url)
    try:
        match = resolve(parts.path)
    except Http404:
        return (parts.path,)
    tab = parse_qs(parts.query).get("tab", [])
    name = [] if tab else [match.kwargs.get("name", "")] if match.url_name in FIRST_PAGES else []
    return match.route, match.kwargs.get("workspace", ""), *tab, *name


def answers(client: Client, *starts: str, press: bool = True) -> Iterator[Answer]:
    """Yield what comes back from every link that leads on from some pages, and from their buttons.

    Each kind of page is requested once. All that a button changes is rolled back.
    """
    waiting = deque((start, "") for start in starts)
    seen: set[object] = set()
    pressed: set[object] = set()
    while waiting:
        url, page = waiting.popleft()
        if kind_of(url) in seen:
            continue
        seen.add(kind_of(url))
        answer, is_page = _request(client, "get", url, [], page)
        yield answer
        if answer.location:
            waiting.append((urljoin(url, answer.location), url))
        if not is_page:
            continue
        markup = Markup(answer.text)
        targets = (urldefrag(urljoin(url, link))[0] for link in markup.links)
        waiting.extend((target, url) for target in targets if target.startswith("/"))
        offered = [(form, button) for form in markup.forms for button in form.buttons] if press else []
        for form, (name, value, action) in offered:
            target = _join(url, action or form.action)
            key = (kind_of(url)[0], kind_of(target)[:2], name, value[:20])
            # A dialog's form sends nothing, and a session that ends sees no other page.
            if form.method == "dialog" or target.startswith(("/logout/", "/language/")) or key in pressed:
                continue
            pressed.add(key)
            yield _request(client, form.method, target, [*form.fields, (name, value)], url)[0]


def _join(url: str, action: str) -> str:
    return urlsplit(url).path + action if action.startswith("?") else urljoin(url, action)


def _request(client: Client, method: str, url: str, fields: Fields, page: str) -> tuple[Answer, bool]:
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    given: dict[str, Any] = parse_qs(urlencode(fields), keep_blank_values=True)
    with transaction.atomic():
        if method == "post":
            response = client.post(url, given)
        else:
            response = client.get(url.partition("?")[0] if fields else url, given or None)
        transaction.set_rollback(True)
    client.cookies.clear()
    for name, kept in cookies.items():
        client.cookies[name] = kept
    is_page = not response.streaming and response.headers.get("Content-Type", "").startswith("text/html")
    text = "" if response.streaming else response.content.decode(errors="replace")
    location = response.headers.get("Location", "")
    response.close()
    what = f"{method.upper()} {url}" + (f" with {fields}" if fields else "")
    return Answer(what, page, response.status_code, location, text), is_page
