"""The review of proposals for the catalogue: the list, a proposal with its evidence, the decisions."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST, require_safe

from builds.queue.requests import StateConflict
from builds.review import evidence
from environments.access import Right, get_catalogue, get_proposal, get_proposals_workspace, may
from environments.catalogue import proposals as service
from environments.catalogue.deprecations import catalogue_deprecations
from environments.catalogue.transitions import ReviewedState, StaleReview
from environments.errors import ServiceError
from environments.models.catalogue import Proposal, Stage
from environments.paging import BoundedCount, KeysetPaginator, bounded_count
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from environments.versions.text_diff import side_by_side
from environments.versions.texts import comparable_texts, texts_of
from studio.catalogue.artwork import drawing_of, framework_of

ROWS = 25
# Labels of what a curator confirms
CONFIRM = {
    "host-base": _lazy("Publish it on “host”, the Python of the studio's machine, which is for trying out"),
    "trial": _lazy("Approve it without waiting for the import test"),
    "trial-failed": _lazy("Approve it although the import test failed"),
}
DEPRECATED = "deprecated"


@require_safe
@login_required
def proposals(request: StudioRequest, workspace: str) -> HttpResponse:
    """List proposals and deprecations: all to reviewers, a workspace's own to its members."""
    workspace = get_proposals_workspace(request.user, workspace)
    requested = request.GET.get("state", Stage.WAITING)
    state = requested if requested in {*Stage.values, "all", DEPRECATED} else Stage.WAITING
    if state == DEPRECATED and not workspace.curated:
        raise Http404("Only what is in the catalogue is deprecated.")
    query = query_param(request, "q")
    visible = service.visible_proposals(workspace)
    context: dict[str, Any] = {
        "workspace": workspace,
        "state": state,
        "query": query,
        "counts": stage_counts(visible),
        "today": timezone.localdate(),
    }
    if state == DEPRECATED:
        deprecated = catalogue_deprecations(workspace)
        deprecated = deprecated.filter(environment__name__icontains=query) if query else deprecated
        context["page"] = page = KeysetPaginator(deprecated, ROWS).get_page(request.GET.get("page"))
    else:
        visible = visible if state == "all" else visible.filter(stage=state)
        visible = visible.filter(name__icontains=query) if query else visible
        # The oldest waiting proposal comes first.
        order = ("changed_at", "pk") if state == Stage.WAITING else ("-changed_at", "-pk")
        related = visible.select_related("version__environment__workspace", "proposed_by")
        page = KeysetPaginator(related.order_by(*order), ROWS).get_page(request.GET.get("page"))
        context |= {"page": page, "rows": evidence.summarize_proposals(page)}
    context["deprecated_count"] = (
        bounded_count(catalogue_deprecations(workspace)) if workspace.curated else BoundedCount(0)
    )
    return render(request, "studio/proposals.html", context)


def stage_counts(proposals: QuerySet[Proposal]) -> list[tuple[str, int]]:
    """Return the number of proposals in each state, and of `all`, in one query."""
    rows = dict(proposals.order_by().values_list("stage").annotate(Count("pk")))
    return [*((stage, rows.get(stage, 0)) for stage in Stage.values), ("all", sum(rows.values()))]


@require_safe
@login_required
def proposal(request: StudioRequest, workspace: str, proposal: int) -> HttpResponse:
    """Show a proposal with its evidence."""
    return proposal_page(request, workspace, proposal)


@require_POST
@login_required
def decide(request: StudioRequest, workspace: str, proposal: int) -> HttpResponse:
    """Approve and publish a proposal, request changes, or reject it."""
    workspace = get_catalogue(request.user, workspace, Right.REVIEW)
    current = get_proposal(request.user, workspace.name, proposal)
    by = request.user
    comment = comment_in(request)
    reviewed = ReviewedState.parse(request.POST.get("seen", ""))
    decision = request.POST.get("decision", "")
    try:
        if decision == "approve":
            confirmed = request.POST.getlist("confirm")
            version = evidence.approve(current, by, comment, reviewed, confirmed=confirmed)
            messages.success(
                request, _("%(version)s is published. Anyone can use it now.") % {"version": version}
            )
        elif decision == "changes":
            service.ask_for_changes(current, by, comment, reviewed)
            messages.success(request, _("Changes requested."))
        elif decision == "refuse":
            service.refuse(current, by, comment, reviewed)
            messages.success(request, _("Proposal rejected."))
        else:
            raise ServiceError("decision-missing", _("Choose a decision."))
    except ServiceError as problem:
        return proposal_page(request, workspace.name, proposal, problem=problem, comment=comment)
    return redirect("proposal", workspace.name, proposal)


@require_POST
@login_required
def withdraw(request: StudioRequest, workspace: str, proposal: int) -> HttpResponse:
    """Withdraw a proposal."""
    current = get_proposal(request.user, workspace, proposal)
    if current.environment.workspace.name != workspace:
        raise Http404("It is withdrawn in the workspace that proposed it.")
    try:
        service.withdraw(current, request.user, comment_in(request))
    except ServiceError as problem:
        return proposal_page(request, workspace, proposal, problem=problem)
    messages.success(request, _("Proposal withdrawn."))
    return redirect("proposal", workspace, proposal)


@require_POST
@login_required
def build(request: StudioRequest, workspace: str, proposal: int) -> HttpResponse:
    """Build the proposed version, to gather evidence."""
    current = get_proposal(request.user, workspace, proposal)
    try:
        requested = evidence.build_proposed(current, request.user)
    except StateConflict as problem:
        messages.error(request, str(problem))
    else:
        message = _("Building.") if requested.build else _("It has an image already.")
        messages.success(request, message)
    return redirect("proposal", workspace, proposal)


@require_POST
@login_required
def try_image(request: StudioRequest, workspace: str, proposal: int) -> HttpResponse:
    """Start or repeat a trial of the proposed image: whether it imports what was requested."""
    get_catalogue(request.user, workspace, Right.REVIEW)
    current = get_proposal(request.user, workspace, proposal)
    try:
        started = evidence.try_proposed(current, request.user)
    except ServiceError as problem:
        return proposal_page(request, workspace, proposal, problem=problem)
    message = _("Import test started.") if started else _("The import test is running already.")
    messages.success(request, message)
    return redirect("proposal", workspace, proposal)


def comment_in(request: StudioRequest) -> str:
    """Return the submitted comment with Unix line ends."""
    return request.POST.get("words", "").replace("\r\n", "\n")


def proposal_page(
    request: StudioRequest,
    workspace: str,
    number: int,
    *,
    problem: ServiceError | None = None,
    comment: str = "",
) -> HttpResponse:
    """Return a proposal's page with fresh evidence; a problem keeps the submitted comment."""
    current = get_proposal(request.user, workspace, number)
    workspace = get_proposals_workspace(request.user, workspace)
    facts = evidence.gather(current)
    user = request.user
    own = service.is_own(current, user)
    home = current.version.environment.workspace
    context = {
        "workspace": workspace,
        "home": home,
        "proposal": current,
        "version": current.version,
        "evidence": facts,
        "steps": current.steps.select_related("by", "version__environment"),
        "own": own,
        "following": service.next_to_review(current, user) if workspace.curated else None,
        "decides": current.open and workspace.curated and not own,
        "withdraws": current.open and workspace == home,
        "sees_home": workspace == home or may(user, Right.SEE, home),
        "words": comment,
        "problem": problem,
        "confirmations": [(code, CONFIRM[code]) for code in facts.confirmations],
        "confirmed": request.POST.getlist("confirm") if problem else [],
        "drawing": drawing_of(tags := current.tags or current.version.tags, framework_of(tags, [])),
        "description": current.description or current.version.description,
        "tags": tags,
    }
    if facts.before is not None:
        texts = comparable_texts(facts.before, current.version)
        context["rows"] = side_by_side(texts.old, texts.new)
    else:
        context["texts"] = texts_of(current.version)
    status = 200 if problem is None else 409 if isinstance(problem, StaleReview) else 422
    return render(request, "studio/proposal.html", context, status=status)
