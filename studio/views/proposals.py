"""The catalogue's review: what is proposed, the evidence on it, and what its people and its reviewers do about it."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from builds import curating
from builds.services import NotPossible
from environments import proposals as service
from environments.access import Right, get_catalogue, get_proposal, get_proposals_place, may
from environments.catalogue_models import Proposal, Stage
from environments.deprecations import deprecations_in
from environments.forms import asked_for
from environments.lists import Counted, Pages, counted
from environments.proposal_moves import Overtaken, Seen
from environments.services import Refused
from environments.texts import side_by_side, texts_of, whole_text

ROWS = 25
DEPRECATED = "deprecated"


@require_safe
@login_required
def proposals(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show what is proposed: all of it to reviewers, a workspace's own to its people; and what is deprecated."""
    place = get_proposals_place(request.user, workspace)
    asked = request.GET.get("state", Stage.WAITING)
    state = asked if asked in {*Stage.values, "all", DEPRECATED} else Stage.WAITING
    if state == DEPRECATED and not place.curated:
        raise Http404("Only what is in the catalogue is deprecated.")
    query = asked_for(request, "q")
    found = service.seen_from(place)
    context: dict[str, Any] = {
        "place": place,
        "state": state,
        "query": query,
        "counts": counts_of(found),
        "today": timezone.localdate(),
    }
    if state == DEPRECATED:
        leaving = deprecations_in(place)
        leaving = leaving.filter(environment__name__icontains=query) if query else leaving
        context["page"] = page = Pages(leaving, ROWS).get_page(request.GET.get("page"))
    else:
        found = found if state == "all" else found.filter(stage=state)
        found = found.filter(name__icontains=query) if query else found
        # Whoever waits longest comes first.
        order = ("changed_at", "pk") if state == Stage.WAITING else ("-changed_at", "-pk")
        related = found.select_related("version__environment__workspace", "proposed_by")
        page = Pages(related.order_by(*order), ROWS).get_page(request.GET.get("page"))
        context |= {"page": page, "rows": curating.glances(page)}
    context["deprecated_count"] = counted(deprecations_in(place)) if place.curated else Counted(0)
    return render(request, "studio/proposals.html", context)


def counts_of(found: QuerySet[Proposal]) -> list[tuple[str, int]]:
    """Return each state with how many proposals are in it, and `all` of them, in one query."""
    rows = dict(found.order_by().values_list("stage").annotate(Count("pk")))
    return [*((stage, rows.get(stage, 0)) for stage in Stage.values), ("all", sum(rows.values()))]


@require_safe
@login_required
def proposal(request: HttpRequest, workspace: str, proposal: int) -> HttpResponse:
    """Show a proposal with everything that there is to decide by."""
    return page_of(request, workspace, proposal)


@require_POST
@login_required
def decide(request: HttpRequest, workspace: str, proposal: int) -> HttpResponse:
    """Approve and publish a proposal, ask for changes, or refuse it."""
    place = get_catalogue(request.user, workspace, Right.REVIEW)
    found = get_proposal(request.user, workspace, proposal)
    by = cast(User, request.user)
    words = words_in(request)
    seen = Seen.parse(request.POST.get("seen", "").replace("\0", ""))
    decision = request.POST.get("decision", "")
    try:
        if decision == "approve":
            version = curating.approve(found, by, words, seen)
            messages.success(
                request,
                _("%(version)s is published: everybody can use it from now on.") % {"version": version},
            )
        elif decision == "changes":
            service.ask_for_changes(found, by, words, seen)
            messages.success(request, _("Changes are asked for."))
        elif decision == "refuse":
            service.refuse(found, by, words, seen)
            messages.success(request, _("The proposal is refused."))
        else:
            raise Refused("decision-missing", _("Choose what to do with it."))
    except Refused as problem:
        return page_of(request, workspace, proposal, problem=problem, words=words)
    return redirect("proposal", place.name, proposal)


@require_POST
@login_required
def withdraw(request: HttpRequest, workspace: str, proposal: int) -> HttpResponse:
    """Take a proposal back."""
    found = get_proposal(request.user, workspace, proposal)
    if found.environment.workspace.name != workspace:
        raise Http404("It is withdrawn in the workspace that proposed it.")
    try:
        service.withdraw(found, cast(User, request.user), words_in(request))
    except Refused as problem:
        return page_of(request, workspace, proposal, problem=problem)
    messages.success(request, _("The proposal is withdrawn."))
    return redirect("proposal", workspace, proposal)


@require_POST
@login_required
def build(request: HttpRequest, workspace: str, proposal: int) -> HttpResponse:
    """Have what is proposed built, so that there is something to see."""
    found = get_proposal(request.user, workspace, proposal)
    try:
        asked = curating.build_proposed(found, cast(User, request.user))
    except NotPossible as problem:
        messages.error(request, str(problem))
    else:
        said = _("It is being built.") if asked.build else _("There is an image of it already.")
        messages.success(request, said)
    return redirect("proposal", workspace, proposal)


@require_POST
@login_required
def try_image(request: HttpRequest, workspace: str, proposal: int) -> HttpResponse:
    """Have the image of what is proposed started once, also again, to see whether it imports what was asked for."""
    get_catalogue(request.user, workspace, Right.REVIEW)
    found = get_proposal(request.user, workspace, proposal)
    try:
        begun = curating.try_proposed(found, cast(User, request.user))
    except Refused as problem:
        return page_of(request, workspace, proposal, problem=problem)
    said = _("A worker tries the image.") if begun else _("It is being tried already.")
    messages.success(request, said)
    return redirect("proposal", workspace, proposal)


def words_in(request: HttpRequest) -> str:
    """Return what somebody has to say, as a database can hold it."""
    return request.POST.get("words", "").replace("\r\n", "\n").replace("\0", "")


def page_of(
    request: HttpRequest,
    workspace: str,
    number: int,
    *,
    problem: Refused | None = None,
    words: str = "",
) -> HttpResponse:
    """Return a proposal's page; with a problem what was typed stays, and the evidence is looked at anew."""
    found = get_proposal(request.user, workspace, number)
    place = get_proposals_place(request.user, workspace)
    evidence = curating.gather(found)
    user = cast(User, request.user)
    own = service.is_own(found, user)
    home = found.version.environment.workspace
    context = {
        "place": place,
        "home": home,
        "proposal": found,
        "version": found.version,
        "evidence": evidence,
        "steps": found.steps.select_related("by", "version__environment"),
        "own": own,
        "following": service.next_to_review(found, user) if place.curated else None,
        "decides": found.open and place.curated and not own,
        "withdraws": found.open and place == home,
        "sees_home": place == home or may(user, Right.SEE, home),
        "words": words,
        "problem": problem,
    }
    if evidence.before is not None:
        context["rows"] = side_by_side(whole_text(evidence.before), whole_text(found.version))
    else:
        context["texts"] = texts_of(found.version)
    status = 200 if problem is None else 409 if isinstance(problem, Overtaken) else 422
    return render(request, "studio/proposal.html", context, status=status)
