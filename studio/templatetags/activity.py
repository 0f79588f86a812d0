"""Template tags for events: a sentence, what changed, and the program that a change came from."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.formats import date_format, number_format
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, pgettext

from environments.audit.agents import program_of
from environments.models import Event, EventGroup, NoticeKind, Usage
from studio.labels import EVENTS, FIELDS, IN_SENTENCE, TRIALS
from studio.templatetags.studio import duration, size

register = template.Library()

LONGEST = 400  # characters of a value


@register.filter
def event_sentence(event: Event) -> SafeString:
    """Return what happened as a sentence, with the actor and a link to the version or environment it is about."""
    template_text = str(EVENTS.get(event.verb, ("", "%(who)s: %(verb)s %(subject)s"))[1])
    if "%(subject)s" not in template_text and "%(who)s" not in template_text:
        template_text = f"%(who)s {template_text} %(subject)s"
    who = event.actor.get_username() if event.actor else gettext("The studio")
    parts = {
        "who": format_html("<strong>{}</strong>", who),
        "subject": _linked_subject(event),
        "verb": conditional_escape(event.verb),
        "label": conditional_escape(str(event.details.get("label", ""))),
        "before": conditional_escape(str((event.before or {}).get("version", ""))),
    }
    # The sentence is the studio's own, and its parts are escaped.
    return mark_safe(str(conditional_escape(template_text)) % parts)  # noqa: S308


def _linked_subject(event: Event) -> SafeString:
    if event.environment is None:
        return conditional_escape(event.subject)
    workspace, name = event.environment.workspace.name, event.environment.name
    version = event.subject.removeprefix(f"{name}:") if event.subject.startswith(f"{name}:") else ""
    address = (
        reverse("version", args=[workspace, name, version])
        if version and "/" not in version
        else reverse("environment", args=[workspace, name])
    )
    return format_html('<a href="{}">{}</a>', address, event.subject)


@register.filter
def event_changes(event: Event) -> list[str]:
    """Return what an event changed beyond its sentence, a line each: “Role: reader → owner”."""
    if event.verb.startswith("use."):
        return _use(event)
    before, after = event.before or {}, event.after or {}
    nothing = gettext("default") if event.verb == "workspace.limits" else pgettext("value", "none")
    lines = []
    for name in [*before, *(name for name in after if name not in before)]:
        if name in IN_SENTENCE:
            continue
        sides = [_formatted(name, side.get(name), nothing) for side in (before, after)]
        if event.before is None or event.after is None:
            value = sides[event.before is None]
        elif before.get(name) != after.get(name):
            value = gettext("%(before)s → %(after)s") % {"before": sides[0], "after": sides[1]}
        else:
            continue
        lines.append(gettext("%(field)s: %(value)s") % {"field": field_label(name), "value": value})
    return lines


def _use(event: Event) -> list[str]:
    """Return the run, model or deployment of an event: “Deployment “blue””."""
    kinds = dict(Usage.Kind.choices)
    kind, name = str(event.details.get("kind", "")), str(event.details.get("name", ""))
    return [gettext("%(kind)s “%(name)s”") % {"kind": kinds.get(kind, kind), "name": name}] if name else []


def field_label(name: str) -> str:
    """Return the label of a stored field."""
    return str(FIELDS.get(name, name.replace("_", " ").capitalize()))


def _formatted(name: str, value: Any, nothing: str) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if value in (None, "", {}, []):
        return nothing
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" if item != "" else str(key) for key, item in value.items())[:LONGEST]
    if isinstance(value, list):
        return ", ".join(_value(name, str(item)) for item in value)[:LONGEST]
    if isinstance(value, int):
        formats = {"disk": size, "seconds": duration}
        return str(formats[name](value)) if name in formats else number_format(value, force_grouping=True)
    text = _value(name, str(value))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _value(name: str, value: str) -> str:
    """Return a stored value in the reader's language, if it is one of the studio's own."""
    if name == "on" and (day := parse_date(value)):
        return date_format(day, pgettext("date", "j M Y"))
    if name in ("role", "scope"):
        return gettext(value)
    labels: dict[str, dict[str, Any]] = {
        "events": dict(EventGroup.choices),
        "kinds": dict(NoticeKind.choices),
        "state": TRIALS,
    }
    return str(labels.get(name, {}).get(value, value))


@register.filter
def quoted(text: str) -> str:
    """Return a person's text in the reader's quotation marks."""
    return pgettext("quotation", "“%(text)s”") % {"text": text}


@register.filter
def program(agent: str) -> str:
    """Return the program that a change came from: “Chrome on Linux”, “curl 8.5”."""
    known = program_of(agent)
    if known.system:
        return gettext("%(program)s on %(system)s") % {"program": known.name, "system": known.system}
    return known.name
