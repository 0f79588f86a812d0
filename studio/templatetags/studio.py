"""Template tags and filters for times, sizes, states and icons."""

import datetime
import math
import re
from functools import lru_cache
from typing import Any
from zlib import adler32

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext, gettext_lazy, pgettext

from builds.causes import CATALOGUE
from builds.exposure.base_fixes import anchor_of, from_dockerfile
from builds.models import Build
from builds.pages.failure import in_short
from builds.search.query import term_of
from environments.definition.packages.specs import pip_name
from environments.models import NoticeKind, Version, Workspace
from studio import markdown as marked
from studio.labels import (
    CHANGES,
    EVENTS,
    FACETS,
    FATES,
    FAULTS,
    KINDS,
    REBASE_FATES,
    REBASE_OBSTACLES,
    REBASE_STATES,
    SEVERITIES,
    STATES,
    STEPS,
)
from studio.sentences import in_language

register = template.Library()

NOTHING = "\N{EN DASH}"


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """Return an icon; it is decoration, beside a text with the meaning."""
    return _icon(static("vendor/icons.svg"), name, extra)


# A page has dozens of icons, of few kinds.
@lru_cache(maxsize=512)
def _icon(file: str, name: str, extra: str) -> SafeString:
    drawn = '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>'
    return format_html(drawn, extra, file, name)


@register.simple_tag
def avatar(username: str) -> SafeString:
    """Return the initials of a user in a circle, in a colour of their own; it is decoration, beside the name."""
    parts = [part for part in re.split(r"[^\w]|_", username) if part]
    initials = (parts[0][0] + parts[1][0] if len(parts) > 1 else username[:2]).upper()
    return format_html(
        '<span class="avatar avatar-sm avatar-{}" aria-hidden="true">{}</span>',
        adler32(username.encode()) % 8,
        initials,
    )


@register.simple_tag
def languages() -> list[tuple[str, str]]:
    """Return the languages of the pages with their native names."""
    return list(settings.LANGUAGES)


@register.simple_tag
def state(name: str, text: str = "") -> SafeString:
    """Return the badge of a state: icon, label and colour."""
    label, image, colour = STATES[name]
    spin = "spin" if name in {"running", "building"} else ""
    return format_html(
        '<span class="state state-{}">{}<span>{}</span></span>', colour, icon(image, spin), text or label
    )


@register.filter
def markdown(text: str) -> SafeString:
    """Return Markdown that somebody typed as safe HTML."""
    return marked.to_html(text or "")


@register.filter
def first_line(text: str) -> str:
    """Return the first line of Markdown as plain text."""
    return marked.first_line(text or "")


@register.filter
def state_words(name: str) -> str:
    """Return the label of a state."""
    return str(STATES[name][0])


@register.filter
def step_icon(what: str) -> str:
    """Return the icon of a proposal's step."""
    return event_icon(f"proposal.{what}")


@register.filter
def step_words(what: str) -> str:
    """Return the verb phrase for a proposal's step."""
    return str(STEPS[what])


@register.simple_tag
def severity(name: str) -> SafeString:
    """Return the badge of a finding's severity."""
    label, image, colour = SEVERITIES[name]
    return format_html('<span class="state state-{}">{}<span>{}</span></span>', colour, icon(image), label)


@register.filter
def kind(name: str) -> str:
    """Return the label of a kind."""
    return str(KINDS.get(name, name))


@register.filter
def facet_words(qualifier: str) -> str:
    """Return the label of a facet."""
    return str(FACETS.get(qualifier, qualifier))


@register.simple_tag
def package_url(workspace: str, name: str) -> str:
    """Return the URL of a package's page; empty for a name that no URL can hold."""
    try:
        return reverse("package", args=[workspace, pip_name(name)])
    except NoReverseMatch:
        return ""


@register.simple_tag
def tag_term(name: str, value: str) -> str:
    """Return the search term that matches a tag."""
    return term_of("tag", f"{name}={value}" if value else name)


@register.filter
def fault(name: str) -> str:
    """Return a sentence about who is responsible for a failure."""
    return str(FAULTS.get(name, ""))


@register.filter
def cause(code: str) -> str:
    """Return the title of a cause of failure."""
    return gettext(CATALOGUE[code].title) if code in CATALOGUE else code


@register.filter
def event_icon(verb: str) -> str:
    """Return the icon of an event."""
    return str(EVENTS.get(verb, ("activity", verb))[0])


@register.filter
def translated(text: str) -> str:
    """Return a stored English text in the reader's language; a sentence is recognised by its template."""
    return in_language(text) if text else ""


@register.filter
def failure_summary(build: Build) -> str:
    """Return why a build failed in a sentence, in the reader's language."""
    return in_short(in_language(build.error))[0]


@register.filter
def change_words(change: str) -> str:
    """Return the label of a package's change."""
    return str(CHANGES.get(change, change))


@register.filter
def fate(name: str) -> str:
    """Return why an image goes or stays."""
    return str(FATES.get(name, name))


@register.filter
def obstacle(code: str) -> str:
    """Return why an image is not rebased; empty for a code without a sentence of its own."""
    return str(REBASE_OBSTACLES.get(code, ""))


@register.simple_tag
def rebase_state(name: str) -> SafeString:
    """Return the state of a rebase as a pill."""
    return _pill(REBASE_STATES[name])


@register.simple_tag
def rebase_fate(name: str) -> SafeString:
    """Return what becomes of an image in a rebase as a pill."""
    return _pill(REBASE_FATES[name])


def _pill(shown: tuple[object, str, str]) -> SafeString:
    label, name, colour = shown
    return format_html('<span class="state state-{}">{}<span>{}</span></span>', colour, icon(name), label)


@register.simple_tag
def moment(when: datetime.datetime | None) -> SafeString:
    """Return a time in UTC; the page's script shows how long ago it was, with the reader's own time as the tooltip."""
    if when is None:
        return SafeString(NOTHING)
    at = when.astimezone(datetime.UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-moment>{}</time>',
        at.isoformat(timespec="seconds"),
        at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        date_format(at, pgettext("date", "j M Y, H:i")) + " UTC",
    )


@register.simple_tag
def day(on: datetime.date) -> str:
    """Return a day as all pages write it: 31 Jan 2027."""
    return date_format(on, pgettext("date without time", "j M Y"))


@register.simple_tag
def ticking(since: datetime.datetime) -> SafeString:
    """Return how long it has been since then; the page's script counts on each second."""
    seconds = max(0, int((timezone.now() - since).total_seconds()))
    return format_html(
        '<time datetime="{}" data-since>{}</time>', since.isoformat(timespec="seconds"), duration(seconds)
    )


NOTICES = {
    NoticeKind.BUILD_FAILED: ("circle-x", "bell-bad", "error"),
    NoticeKind.BUILD_SUCCEEDED: ("circle-check", "bell-good", "success"),
    NoticeKind.DEPRECATION: ("alert-triangle", "bell-warn", "warning"),
    NoticeKind.PROPOSAL: ("layers-intersect", "", "info"),
    NoticeKind.REBASE: ("refresh", "", "info"),
    NoticeKind.SHARE: ("arrow-right", "", "info"),
}


@register.simple_tag
def notice_icon(kind: str) -> SafeString:
    """Return the icon of a notice."""
    name, colour, _ = NOTICES[NoticeKind(kind)]
    return icon(name, colour)


@register.filter
def notice_level(kind: str) -> str:
    """Return the level of a notice's toast."""
    return NOTICES[NoticeKind(kind)][2]


COUNTDOWNS = {
    "start": (gettext_lazy("Starts in about {time}"), gettext_lazy("Starts soon")),
    "end": (gettext_lazy("About {time} left"), gettext_lazy("Taking longer than usual")),
}


@register.simple_tag
def countdown(at: datetime.datetime, what: str) -> SafeString:
    """Return how long it is until an expected start or end; the page's script counts down each second."""
    left, late = COUNTDOWNS[what]
    seconds = (at - timezone.now()).total_seconds()
    shown = str(left).replace("{time}", duration(math.ceil(seconds) * 1.0)) if seconds > 0 else str(late)
    return format_html(
        '<span class="small quiet" data-countdown="{}" data-left="{}" data-late="{}">{}</span>',
        at.isoformat(timespec="milliseconds"),
        left,
        late,
        shown,
    )


@register.filter
def age(when: datetime.datetime) -> str:
    """Return how long ago something was, by its largest unit: 3 months, 5 days."""
    return timesince(when, depth=1)


@register.filter
def size(count: int | float | None) -> str:
    """Return bytes in a readable unit: 88 MB, 1.4 GB."""
    if not count:
        return NOTHING
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{number_format(value, 0 if value >= 10 or unit == 'B' else 1)} {unit}"
        value /= 1000
    return f"{number_format(value, 1)} TB"


@register.filter
def size_change(count: int) -> str:
    """Return a difference in bytes: +12 MB, \N{MINUS SIGN}3.4 MB."""
    if not count:
        return NOTHING
    return f"{'+' if count > 0 else chr(0x2212)}{size(abs(count))}"


@register.filter
def duration(seconds: float | None) -> str:
    """Return a duration: 0.4 s, 12 s, 3 min 05 s, 1 h 02 min."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{number_format(seconds, 1)} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


@register.filter
def percent(part: float) -> str:
    """Return a fraction as a percentage: 97 %. Only 1 gives 100 %, only 0 gives 0 %."""
    if part in (0, 1):
        return f"{part * 100:.0f}\N{NO-BREAK SPACE}%"
    return f"{min(99, max(1, round(part * 100)))}\N{NO-BREAK SPACE}%"


@register.filter
def short(digest: str) -> str:
    """Return the first twelve digits of a hash or digest."""
    return digest.removeprefix("sha256:")[:12]


@register.filter
def amount(done: int, unit: str) -> str:
    """Return the progress of a step: bytes as a size, other units as a count."""
    return size(done) if unit == "bytes" else f"{number_format(done, force_grouping=True)} {gettext(unit)}"


@register.simple_tag
def sort_link(current: str, column: str) -> dict[str, Any]:
    """Return the link of a column heading and its current sort order."""
    if current == column:
        return {"to": f"-{column}", "aria": "ascending", "icon": "chevron-up"}
    if current == f"-{column}":
        return {"to": column, "aria": "descending", "icon": "chevron-down"}
    return {"to": column, "aria": "none", "icon": "arrows-sort"}


@register.filter
def item(mapping: dict[str, Any], key: str) -> Any:
    """Return the value of a key."""
    return mapping.get(key)


@register.simple_tag
def rebase_url(workspace: str, reference: str) -> str:
    """Return the address of a base on the page of a workspace's bases; empty for what a Dockerfile made."""
    if from_dockerfile(reference):
        return ""
    return f"{reverse('bases', args=[workspace])}#{anchor_of(reference)}"


@register.filter
def base(reference: str) -> str:
    """Return a base image's reference without the default registry, Docker Hub."""
    return reference.removeprefix("docker.io/").removeprefix("library/")


@register.filter
def named_in(version: Version, workspace: Workspace) -> str:
    """Return a version's name on the pages of a workspace: with its own workspace, if that is another."""
    space = version.environment.workspace
    return str(version) if space == workspace else f"{space.name}/{version}"
