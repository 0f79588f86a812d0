"""Cleaning up images, as a page: what is deleted and what is kept is shown before anything is deleted."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from builds.images.layers import shared_layers
from builds.images.retention import CHOICES, DEFAULT_DAYS, Rule, clean_up, preview
from builds.images.store_sweep import sweep
from builds.pages.sharing import sharing_of
from builds.queue.messages import send_sweep
from environments.access import Right, get_workspace, may
from environments.audit.record import record
from environments.requests import StudioRequest

SHOWN = 50  # images


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def images(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show which images would go and how much that frees; a POST lets them go."""
    workspace = get_workspace(request.user, workspace, Right.CLEAN_UP)
    if request.method == "POST":
        done = clean_up(workspace, rule_of(request.POST), request.user)
        if done.images:
            message = ngettext(
                "%(images)d image deleted. A worker frees its files now; files used within the last day are freed later.",
                "%(images)d images deleted. A worker frees their files now; files used within the last day are freed later.",
                done.images,
            )
            messages.success(request, message % {"images": done.images})
        else:
            messages.info(request, _("Nothing deleted. Every image is needed, or was used meanwhile."))
        return redirect("builds:images", workspace.name)
    rule = rule_of(request.GET)
    plan = preview(workspace, rule)
    shown = plan.images[:SHOWN]
    sharing = sharing_of(workspace, (image.hash for image in shown), request.user)
    shared = shared_layers([image.pk for image in shown])
    keeps_store = may(request.user, Right.CLEAN_STORE, workspace)
    context = {
        "workspace": workspace,
        "rule": rule,
        "days": CHOICES,
        "preview": plan,
        "rows": [(image, sharing[image.hash], shared.get(image.pk)) for image in shown],
        "rest": len(plan.images) - len(shown),
        "may_clean_store": keeps_store,
        "swept": sweep(dry_run=True) if keeps_store and request.GET.get("store") == "1" else None,
    }
    return render(request, "builds/clean_up.html", context)


@require_POST
@login_required
def store(request: StudioRequest, workspace: str) -> HttpResponse:
    """Have a worker take out of the studio's store what no image of any workspace needs."""
    workspace = get_workspace(request.user, workspace, Right.CLEAN_STORE)
    user = request.user
    record("store.cleaned", workspace.title, workspace=workspace, actor=user)
    send_sweep()
    messages.success(request, _("A worker deletes unneeded files now."))
    return redirect("builds:clean-up", workspace.name)


def rule_of(query: QueryDict) -> Rule:
    """Return the rule that an address or a form means."""
    days = query.get("days", "")
    known = {str(choice): choice for choice in CHOICES}
    return Rule(known.get(days, DEFAULT_DAYS), older=query.get("older", "yes") != "no")
