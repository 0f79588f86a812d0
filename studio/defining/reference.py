"""The pages that findings and causes of failed builds link to: every code with its meaning and its advice."""

import re
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from builds.causes import CATALOGUE as CAUSES
from environments.definition.findings.catalogue import CATALOGUE
from environments.requests import StudioRequest

SEVERITIES = ("error", "warning", "note")
FAULTS = ("author", "outside", "studio")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@require_safe
@login_required
def findings(request: StudioRequest) -> HttpResponse:
    """List every finding, the worst first."""
    entries = sorted(CATALOGUE.values(), key=lambda entry: (SEVERITIES.index(entry.severity), entry.code))
    rows: list[dict[str, Any]] = [
        {
            "code": entry.code,
            "severity": entry.severity,
            "title": gettext(entry.title),
            "message": readable(gettext(entry.message), gettext(entry.hint) if entry.hint else ""),
            "why": gettext(entry.why),
            "help": readable(gettext(entry.help)),
        }
        for entry in entries
    ]
    return render(request, "studio/reference.html", {"rows": rows, "kind": "findings"})


@require_safe
@login_required
def causes(request: StudioRequest) -> HttpResponse:
    """List every cause of a failed build: those of the definition first."""
    entries = sorted(CAUSES.values(), key=lambda entry: (FAULTS.index(entry.fault), entry.code))
    rows: list[dict[str, Any]] = [
        {
            "code": entry.code,
            "fault": entry.fault,
            "title": gettext(entry.title),
            "why": gettext(entry.why),
            "help": gettext(entry.help),
        }
        for entry in entries
    ]
    return render(request, "studio/reference.html", {"rows": rows, "kind": "causes"})


def readable(*templates: str) -> SafeString:
    """Return texts with the names of their values in italics."""
    text = escape(" ".join(filter(None, templates)))
    # Escaped above; only the names of values, which are letters, are put between tags.
    return mark_safe(_PLACEHOLDER.sub(r"<i>\1</i>", text))  # noqa: S308
