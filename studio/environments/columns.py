"""The columns of the list of environments, chosen in its URL."""

from urllib.parse import urlencode

from django.db.models import Count
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from environments.models import Usage
from environments.requests import StudioRequest

# The name, with its latest version, is always shown.
COLUMNS: dict[str, str | Promise] = {
    "description": _("Description"),
    "tags": _("Tags"),
    "kind": _("Kind"),
    "base": _("Base image"),
    "packages": _("Packages"),
    "image": _("Image"),
    "size": _("Size"),
    "vulnerabilities": _("Vulnerabilities"),
    "uses": _("Used by"),
    "changed": _("Changed"),
    "by": _("By"),
}
DEFAULT_COLUMNS = [name for name in COLUMNS if name not in ("kind", "vulnerabilities", "uses")]


def chosen_columns(request: StudioRequest) -> list[str]:
    """Return the columns that a URL names, in display order; the default columns if it names none."""
    names = request.GET.getlist("column")
    return [name for name in COLUMNS if name in names] or DEFAULT_COLUMNS


def column_query(columns: list[str]) -> str:
    """Return the query string that selects these columns; empty for the default columns."""
    return "" if columns == DEFAULT_COLUMNS else urlencode({"column": columns}, doseq=True)


def short_url(request: StudioRequest, columns: list[str]) -> str:
    """Return the list's URL without empty and default parameters: a form sends every field."""
    params = [
        (name, value) for name, value in request.GET.items() if name not in ("column", "chosen") and value
    ]
    query = "&".join(part for part in (urlencode(params), column_query(columns)) if part)
    return f"{request.path}?{query}" if query else request.path


def active_uses(environments: list[int]) -> dict[int, int]:
    """Return the number of active uses by environment id."""
    active = Usage.objects.filter(environment__in=environments, ended_at=None)
    return dict(active.order_by().values_list("environment").annotate(Count("pk")))
