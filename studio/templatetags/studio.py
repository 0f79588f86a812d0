"""Template tags and filters for times, sizes, states and icons."""

import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext, gettext_noop, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from builds.causes import CATALOGUE
from environments.models import Event

register = template.Library()

NOTHING = "\N{EN DASH}"

STATES = {
    # state: (label, icon, colour)
    "queued": (_("Queued"), "hourglass", "queued"),
    "running": (_("Building"), "loader-2", "running"),
    "building": (_("Building"), "loader-2", "running"),
    "succeeded": (_("Succeeded"), "circle-check", "good"),
    "ready": (_("Ready"), "circle-check", "good"),
    "failed": (_("Failed"), "circle-x", "bad"),
    "cancelled": (_("Cancelled"), "player-stop", "quiet"),
    "none": (_("Not built"), "circle-dashed", "quiet"),
    "reused": (_("Reused"), "repeat", "good"),
    "cached": (_("Cached"), "repeat", "good"),
    "archived": (_("Archived"), "archive", "quiet"),
    "active": (_("Active"), "player-play", "good"),
    "ended": (_("Ended"), "player-stop", "quiet"),
    "waiting": (_("Waiting"), "hourglass", "queued"),
    "changes": (_("Changes asked for"), "pencil", "warn"),
    "published": (_("Published"), "circle-check", "good"),
    "refused": (_("Refused"), "circle-x", "bad"),
    "withdrawn": (_("Withdrawn"), "player-stop", "quiet"),
    "deprecated": (_("Deprecated"), "alert-triangle", "warn"),
    "retired": (_("Retired"), "archive", "quiet"),
}

KINDS = {
    "curated": _("Curated"),
    "system-managed": _("System-managed"),
    "user-managed": _("User-managed"),
}

SEVERITIES = {
    "error": (_("Error"), "circle-x", "bad"),
    "warning": (_("Warning"), "alert-triangle", "warn"),
    "note": (_("Note"), "info-circle", "note"),
}

FAULTS = {
    "author": _("This is in the definition, so its author can put it right."),
    "outside": _("This is outside of both the definition and the studio."),
    "studio": _("This is the studio's own fault, not the definition's."),
}

EVENTS = {
    # verb: (icon, phrase)
    "version.created": ("plus", pgettext_lazy("did", "saved")),
    "version.described": ("pencil", pgettext_lazy("did", "described")),
    "environment.archived": ("archive", pgettext_lazy("did", "archived")),
    "environment.restored": ("archive-off", pgettext_lazy("did", "restored")),
    "use.reported": ("player-play", pgettext_lazy("did", "reported what uses")),
    "use.ended": ("player-stop", pgettext_lazy("did", "reported the end of what used")),
    "connection.created": ("lock", pgettext_lazy("did", "added the connection to")),
    "connection.replaced": ("lock", pgettext_lazy("did", "replaced the password of the connection to")),
    "connection.deleted": ("trash", pgettext_lazy("did", "deleted the connection to")),
    "member.added": ("users", pgettext_lazy("did", "added the member")),
    "member.changed": ("users", pgettext_lazy("did", "gave another role to")),
    "member.removed": ("users", pgettext_lazy("did", "removed the member")),
    "member.left": ("user", pgettext_lazy("did", "left as the member")),
    "person.added": ("users", pgettext_lazy("did", "made the account")),
    "person.joined": ("users", pgettext_lazy("did", "signed in for the first time as")),
    "person.closed": ("user", pgettext_lazy("did", "closed the account")),
    "person.password": ("lock", pgettext_lazy("did", "changed the password of")),
    "person.notifications": ("settings", pgettext_lazy("did", "chose what is told to")),
    "workspace.created": ("plus", pgettext_lazy("did", "made the workspace")),
    "workspace.renamed": ("pencil", pgettext_lazy("did", "gave another title to")),
    "webhook.created": ("plus", pgettext_lazy("did", "added the webhook")),
    "webhook.changed": ("pencil", pgettext_lazy("did", "changed the webhook")),
    "webhook.renewed": ("lock", pgettext_lazy("did", "made a new secret for the webhook")),
    "webhook.tested": ("player-play", pgettext_lazy("did", "sent a test to the webhook")),
    "webhook.sent_again": ("repeat", pgettext_lazy("did", "sent something again to the webhook")),
    "webhook.deleted": ("trash", pgettext_lazy("did", "deleted the webhook")),
    "token.created": ("lock", pgettext_lazy("did", "made the token")),
    "token.revoked": ("trash", pgettext_lazy("did", "revoked the token")),
    "workspace.registry": ("arrow-up", pgettext_lazy("did", "changed the registry of")),
    "workspace.pull": ("download", pgettext_lazy("did", "changed who may pull the images of")),
    "workspace.bytecode": ("settings", pgettext_lazy("did", "changed the bytecode of images in")),
    "workspace.compression": ("settings", pgettext_lazy("did", "changed the compression of images in")),
    "workspace.uploads": ("settings", pgettext_lazy("did", "changed how old packages must be in")),
    "workspace.limits": ("settings", pgettext_lazy("did", "changed the limits of")),
    "images.cleaned": ("trash", pgettext_lazy("did", "cleaned up")),
    "store.cleaned": ("trash", pgettext_lazy("did", "had the studio's store cleaned up from")),
    "proposal.proposed": ("arrow-up", pgettext_lazy("did", "proposed for the catalogue")),
    "proposal.answered": ("arrow-up", pgettext_lazy("did", "proposed anew")),
    "proposal.changes": ("pencil", pgettext_lazy("did", "asked for changes of")),
    "proposal.published": ("circle-check", pgettext_lazy("did", "approved and published")),
    "proposal.refused": ("circle-x", pgettext_lazy("did", "refused")),
    "proposal.withdrawn": ("player-stop", pgettext_lazy("did", "withdrew")),
    "proposal.trial": ("player-play", pgettext_lazy("did", "asked for a trial of the image of")),
    "proposal.tried": ("player-play", pgettext_lazy("did", "tried the image of")),
    "catalogue.deprecated": ("alert-triangle", pgettext_lazy("did", "deprecated")),
    "catalogue.retired": ("archive", pgettext_lazy("did", "retired")),
    "catalogue.kept": ("archive-off", pgettext_lazy("did", "kept")),
    "build.requested": ("hammer", pgettext_lazy("did", "asked for a build of")),
    "build.joined": ("users", pgettext_lazy("did", "joined the build of")),
    "build.left": ("user", pgettext_lazy("did", "stopped waiting for")),
    "build.stopped": ("player-stop", pgettext_lazy("did", "stopped for everybody the build of")),
    "build.succeeded": ("circle-check", pgettext_lazy("did", "built")),
    "build.failed": ("circle-x", pgettext_lazy("did", "could not build")),
    "build.cancelled": ("player-stop", pgettext_lazy("did", "cancelled the build of")),
}


# Values that are stored in English and translated on pages
TRANSLATED_VALUES = [
    gettext_noop("Running"),
    gettext_noop("reader"),
    gettext_noop("contributor"),
    gettext_noop("owner"),
    gettext_noop("Container registry"),
    gettext_noop("Package index (pip)"),
    gettext_noop("Conda channel"),
    gettext_noop("pull images"),
    gettext_noop("read"),
    gettext_noop("read and write"),
    gettext_noop("changes"),
    gettext_noop("files"),
    gettext_noop("layers"),
    gettext_noop("packages"),
]

# Changes of a package that have no icon
CHANGES = {
    "constraint": _("constraint"),
    "moved": _("moved"),
    "build": _("other build"),
}


STEPS = {
    "proposed": _("proposed it"),
    "answered": _("proposed a newer version:"),
    "changes": _("asked for changes"),
    "published": _("approved and published it"),
    "refused": _("refused it"),
    "withdrawn": _("withdrew it"),
}


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
def fault(name: str) -> str:
    """Return a sentence about who is responsible for a failure."""
    return str(FAULTS.get(name, ""))


@register.filter
def cause(code: str) -> str:
    """Return the title of a cause of failure."""
    return CATALOGUE[code].title if code in CATALOGUE else code


@register.filter
def event_icon(verb: str) -> str:
    """Return the icon of an event."""
    return str(EVENTS.get(verb, ("activity", verb))[0])


@register.filter
def event_words(verb: str) -> str:
    """Return the verb phrase for an event."""
    return str(EVENTS.get(verb, ("activity", verb))[1])


@register.filter
def translated(text: str) -> str:
    """Return a stored English text in the reader's language."""
    return gettext(text) if text else ""


@register.filter
def change_words(change: str) -> str:
    """Return the label of a package's change."""
    return str(CHANGES.get(change, change))


@register.filter
def event_changes(event: Event) -> list[tuple[str, str]]:
    """Return the changes of an event as (field, `before → after`); a lone value if only one side exists."""
    before, after = event.before or {}, event.after or {}
    nothing = gettext("default") if event.verb == "workspace.limits" else pgettext("value", "none")
    changes = []
    for name in [*before, *(name for name in after if name not in before)]:
        label = name.replace("_", " ")
        if event.before is None or event.after is None:
            changes.append((label, _formatted((after or before).get(name), nothing)))
        elif before.get(name) != after.get(name):
            sides = _formatted(before.get(name), nothing), _formatted(after.get(name), nothing)
            changes.append((label, " → ".join(sides)))
    return changes


def _formatted(value: object, nothing: str) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if value in (None, "", {}, []):
        return nothing
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" if item != "" else str(name) for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


FATES = {
    "replaced": _("replaced by a newer image"),
    "nobodys": _("no version has this content any more"),
    "older": _("only older versions of an environment have it"),
    "used": _("used in that time"),
    "in-use": _("a run, model or deployment uses it"),
    "proposed": _("it is proposed for the catalogue, and not decided yet"),
    "building": _("a build of it is under way"),
    "latest": _("the latest version of an environment has it"),
    "archived": _("an archived version has it, and keeps its image"),
}


@register.filter
def fate(name: str) -> str:
    """Return why an image goes or stays."""
    return str(FATES.get(name, name))


@register.simple_tag
def moment(when: datetime.datetime | None) -> SafeString:
    """Return a time in UTC; the page's script converts it to the reader's zone and keeps UTC as the tooltip."""
    if when is None:
        return SafeString(NOTHING)
    at = when.astimezone(datetime.UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-moment>{}</time>',
        at.isoformat(timespec="seconds"),
        at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        date_format(at, pgettext("date", "j M Y, H:i")) + " UTC",
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


@register.filter
def base(reference: str) -> str:
    """Return a base image's reference without the default registry, Docker Hub."""
    return reference.removeprefix("docker.io/").removeprefix("library/")
