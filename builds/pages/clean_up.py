"""Cleaning up images, as a page: what goes and what stays is shown before anything goes."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from builds import queries, queue
from builds.layers import shared_layers
from builds.sweeping import sweep
from builds.unused import CHOICES, DEFAULT_DAYS, Rule, clean_up, preview
from environments.access import Right, get_workspace, may
from environments.models import record

SHOWN = 50  # images


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def images(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show which images would go and how much that frees; a POST lets them go."""
    place = get_workspace(request.user, workspace, Right.CLEAN_UP)
    if request.method == "POST":
        done = clean_up(place, rule_of(request.POST), request.user)  # type: ignore[arg-type]
        if done.images:
            words = ngettext(
                "%(images)d image is deleted. A worker frees its files now; those that builds touched within the last "
                "day go later.",
                "%(images)d images are deleted. A worker frees their files now; those that builds touched within the "
                "last day go later.",
                done.images,
            )
            messages.success(request, words % {"images": done.images})
        else:
            messages.info(request, _("Nothing was deleted: every image is needed, or was used meanwhile."))
        return redirect("builds:images", workspace)
    rule = rule_of(request.GET)
    found = preview(place, rule)
    shown = found.images[:SHOWN]
    names = queries.sharing_names(place, [image.hash for image in shown])
    shared = shared_layers([image.pk for image in shown])
    keeps_store = may(request.user, Right.CLEAN_STORE, place)
    context = {
        "place": place,
        "rule": rule,
        "days": CHOICES,
        "found": found,
        "rows": [(image, names.get(image.hash, []), shared.get(image.pk)) for image in shown],
        "rest": len(found.images) - len(shown),
        "may_clean_store": keeps_store,
        "swept": sweep(dry_run=True) if keeps_store and request.GET.get("store") == "1" else None,
    }
    return render(request, "builds/clean_up.html", context)


@require_POST
@login_required
def store(request: HttpRequest, workspace: str) -> HttpResponse:
    """Have a worker take out of the studio's store what no image of any workspace needs."""
    place = get_workspace(request.user, workspace, Right.CLEAN_STORE)
    user: Any = request.user
    record("store.cleaned", place.title, workspace=place, actor=user)
    queue.ask_for_sweep()
    messages.success(request, _("A worker takes out of the store what no image needs."))
    return redirect("builds:clean-up", place.name)


def rule_of(words: QueryDict) -> Rule:
    """Return the rule that an address or a form means."""
    days = words.get("days", "")
    known = {str(choice): choice for choice in CHOICES}
    return Rule(known.get(days, DEFAULT_DAYS), older=words.get("older", "yes") != "no")
