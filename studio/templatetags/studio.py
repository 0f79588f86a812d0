"""How the pages show times, sizes, states and icons: the same everywhere."""

import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from builds.causes import CATALOGUE
from environments.models import Event

register = template.Library()

NOTHING = "\N{EN DASH}"

STATES = {
    # state: (words, icon, colour)
    "queued": ("Queued", "hourglass", "queued"),
    "running": ("Building", "loader-2", "running"),
    "building": ("Building", "loader-2", "running"),
    "succeeded": ("Succeeded", "circle-check", "good"),
    "ready": ("Ready", "circle-check", "good"),
    "failed": ("Failed", "circle-x", "bad"),
    "cancelled": ("Cancelled", "player-stop", "quiet"),
    "none": ("Not built", "circle-dashed", "quiet"),
    "reused": ("Reused", "repeat", "good"),
    "cached": ("Cached", "repeat", "good"),
    "archived": ("Archived", "archive", "quiet"),
}

KINDS = {
    "curated": "Curated",
    "system-managed": "System-managed",
    "user-managed": "User-managed",
}

SEVERITIES = {
    "error": ("Error", "circle-x", "bad"),
    "warning": ("Warning", "alert-triangle", "warn"),
    "note": ("Note", "info-circle", "note"),
}

FAULTS = {
    "author": "This is in the definition, so its author can put it right.",
    "outside": "This is outside of both the definition and the studio.",
    "studio": "This is the studio's own fault, not the definition's.",
}

EVENTS = {
    # verb: (icon, words)
    "version.created": ("plus", "saved"),
    "version.described": ("pencil", "described"),
    "environment.archived": ("archive", "archived"),
    "environment.restored": ("archive-off", "restored"),
    "use.reported": ("player-play", "reported what uses"),
    "use.ended": ("player-stop", "reported the end of what used"),
    "connection.created": ("lock", "added the connection to"),
    "connection.replaced": ("lock", "replaced the password of the connection to"),
    "connection.deleted": ("trash", "deleted the connection to"),
    "member.added": ("users", "added the member"),
    "member.changed": ("users", "gave another role to"),
    "member.removed": ("users", "removed the member"),
    "member.left": ("user", "left as the member"),
    "workspace.created": ("plus", "made the workspace"),
    "workspace.renamed": ("pencil", "gave another title to"),
    "workspace.registry": ("arrow-up", "changed the registry of"),
    "workspace.pull": ("download", "changed who may pull the images of"),
    "workspace.limits": ("settings", "changed the limits of"),
    "build.requested": ("hammer", "asked for a build of"),
    "build.joined": ("users", "joined the build of"),
    "build.left": ("user", "stopped waiting for"),
    "build.stopped": ("player-stop", "stopped for everybody the build of"),
    "build.succeeded": ("circle-check", "built"),
    "build.failed": ("circle-x", "could not build"),
    "build.cancelled": ("player-stop", "cancelled the build of"),
}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """Return the icon of this name; it is decoration, the words beside it carry the meaning."""
    return _icon(static("vendor/icons.svg"), name, extra)


# A page has dozens, of few kinds.
@lru_cache(maxsize=512)
def _icon(file: str, name: str, extra: str) -> SafeString:
    drawn = '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>'
    return format_html(drawn, extra, file, name)


@register.simple_tag
def state(name: str, words: str = "") -> SafeString:
    """Return the badge of a state: icon, words and colour."""
    said, image, colour = STATES[name]
    spin = "spin" if name in {"running", "building"} else ""
    return format_html(
        '<span class="state state-{}">{}<span>{}</span></span>', colour, icon(image, spin), words or said
    )


@register.simple_tag
def severity(name: str) -> SafeString:
    """Return the badge of a finding's severity."""
    words, image, colour = SEVERITIES[name]
    return format_html('<span class="state state-{}">{}<span>{}</span></span>', colour, icon(image), words)


@register.filter
def kind(name: str) -> str:
    """Return a kind's words."""
    return KINDS.get(name, name)


@register.filter
def fault(name: str) -> str:
    """Return the sentence that says whose fault it is."""
    return FAULTS.get(name, "")


@register.filter
def cause(code: str) -> str:
    """Return the title of a cause of failure."""
    return CATALOGUE[code].title if code in CATALOGUE else code


@register.filter
def event_icon(verb: str) -> str:
    """Return the icon of an event."""
    return EVENTS.get(verb, ("activity", verb))[0]


@register.filter
def event_words(verb: str) -> str:
    """Return what somebody did, as a verb of a sentence."""
    return EVENTS.get(verb, ("activity", verb))[1]


@register.filter
def event_changes(event: Event) -> list[tuple[str, str]]:
    """Return what an event changed, a field each: its words, and `before → after`, or the one of them there is."""
    before, after = event.before or {}, event.after or {}
    nothing = _("default") if event.verb == "workspace.limits" else _("none")
    changes = []
    for name in [*before, *(name for name in after if name not in before)]:
        words = name.replace("_", " ")
        if event.before is None or event.after is None:
            changes.append((words, _said((after or before).get(name), nothing)))
        elif before.get(name) != after.get(name):
            told = _said(before.get(name), nothing), _said(after.get(name), nothing)
            changes.append((words, " → ".join(told)))
    return changes


def _said(value: object, nothing: str) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if value in (None, "", {}, []):
        return nothing
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" if one != "" else str(name) for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@register.simple_tag
def moment(when: datetime.datetime | None) -> SafeString:
    """Return a time in UTC; the page's script turns it into the reader's zone, UTC stays on hover."""
    if when is None:
        return SafeString(NOTHING)
    at = when.astimezone(datetime.UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-moment>{}</time>',
        at.isoformat(timespec="seconds"),
        at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        at.strftime("%-d %b %Y, %H:%M UTC"),
    )


@register.filter
def size(count: int | float | None) -> str:
    """Return bytes as people say them: 88 MB, 1.4 GB."""
    if not count:
        return NOTHING
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


@register.filter
def size_change(count: int) -> str:
    """Return bytes more or fewer: +12 MB, \N{MINUS SIGN}3.4 MB."""
    if not count:
        return NOTHING
    return f"{'+' if count > 0 else chr(0x2212)}{size(abs(count))}"


@register.filter
def duration(seconds: float | None) -> str:
    """Return a length of time: 0.4 s, 12 s, 3 min 05 s, 1 h 02 min."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


@register.filter
def percent(part: float) -> str:
    """Return a part of a whole: 97 %. Only all is 100 %, only nothing 0 %."""
    if part in (0, 1):
        return f"{part * 100:.0f}\N{NO-BREAK SPACE}%"
    return f"{min(99, max(1, round(part * 100)))}\N{NO-BREAK SPACE}%"


@register.filter
def short(digest: str) -> str:
    """Return the first twelve digits of a hash or digest."""
    return digest.removeprefix("sha256:")[:12]


@register.filter
def amount(done: int, unit: str) -> str:
    """Return how far a step is: bytes as sizes, everything else counted."""
    return size(done) if unit == "bytes" else f"{done:,} {unit}"


@register.simple_tag
def sort_link(current: str, column: str) -> dict[str, Any]:
    """Return where a column's heading leads and how the column is sorted now."""
    if current == column:
        return {"to": f"-{column}", "aria": "ascending", "icon": "chevron-up"}
    if current == f"-{column}":
        return {"to": column, "aria": "descending", "icon": "chevron-down"}
    return {"to": column, "aria": "none", "icon": "arrows-sort"}


@register.filter
def item(mapping: dict[str, Any], key: str) -> Any:
    """Return what stands under a key."""
    return mapping.get(key)


@register.filter
def base(reference: str) -> str:
    """Return a base image's reference without Docker Hub's part of it, which goes without saying."""
    return reference.removeprefix("docker.io/").removeprefix("library/")
