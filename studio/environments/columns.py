"""The columns of the list of environments: everybody chooses theirs, and the address says which."""

from urllib.parse import urlencode

from django.db.models import Count
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from environments.models import Use

# The name, with its latest version, is always there.
COLUMNS: dict[str, str | Promise] = {
    "description": _("Description"),
    "tags": _("Tags"),
    "kind": _("Kind"),
    "base": _("Base image"),
    "packages": _("Packages"),
    "image": _("Image"),
    "size": _("Size"),
    "uses": _("Used by"),
    "changed": _("Changed"),
    "by": _("By"),
}
USUAL = [name for name in COLUMNS if name != "uses"]


def chosen_columns(request: HttpRequest) -> list[str]:
    """Return the columns that an address asks for, in their order; the usual ones where it names none."""
    asked = request.GET.getlist("column")
    return [name for name in COLUMNS if name in asked] or USUAL


def column_query(columns: list[str]) -> str:
    """Return what an address needs to show these columns: nothing for the usual ones."""
    return "" if columns == USUAL else urlencode({"column": columns}, doseq=True)


def short_address(request: HttpRequest, columns: list[str]) -> str:
    """Return the address of this list without what goes without saying: a form sends every field."""
    words = [(name, value) for name, value in request.GET.items() if name != "column" and value]
    query = "&".join(part for part in (urlencode(words), column_query(columns)) if part)
    return f"{request.path}?{query}" if query else request.path


def active_uses(environments: list[int]) -> dict[int, int]:
    """Return how many active uses each of these environments has, by its key."""
    active = Use.objects.filter(environment__in=environments, ended_at=None)
    return dict(active.order_by().values_list("environment").annotate(Count("pk")))
