"""The settings' tab of the policy: its rules, their rehearsal, and the exceptions."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from builds.models import PolicyException, RuleName
from builds.policies import service
from builds.policies.evaluate import Rule
from builds.policies.options import DEFAULTS, UNKNOWN_LICENCES, PolicyRefused
from builds.policies.rehearsal import Rehearsal, rehearse
from environments.access import Right, get_policy_workspace, may, may_change_policy
from environments.errors import ServiceError
from environments.models import Workspace
from environments.requests import StudioRequest
from environments.workspaces.settings_views import settings_page, tab_url
from environments.workspaces.tabs import Tab, TabContext
from environments.workspaces.uploads import upload_policy
from studio.policies.texts import (
    EXCEPTION_KINDS,
    LEVELS,
    RULES,
)
from studio.templatetags.policies import SEVERITIES, hit_message

ROWS = 50  # builds of a rehearsal that a page shows
NAMES = 20
LONGEST = 70_000  # characters of a list


def policy_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    """Return the tab's context."""
    policy = upload_policy(workspace)
    return {
        "may_manage": may_change_policy(request.user, workspace),
        "may_uploads": may(request.user, Right.SEE_SETTINGS, workspace),
        "rules": [shown(rule) for rule in service.rules_of(workspace)],
        "levels": LEVELS.items(),
        "severities": SEVERITIES.items(),
        "unknown_licences": UNKNOWN_LICENCES,
        "minimum_age": policy.as_of or policy.newest,
        "exceptions": [shown_exception(row) for row in service.exceptions_of(workspace)],
        "exception_kinds": EXCEPTION_KINDS.items(),
        "rule_choices": [(name, title) for name, (title, _about) in RULES.items()],
        "typed": {},
    }


def shown(rule: Rule, **more: Any) -> dict[str, Any]:
    """Return a rule as the page shows it."""
    name = RuleName(rule.name)
    title, about = RULES[name]
    today = timezone.now().date()
    options = {
        key: "\n".join(value) if isinstance(value, list) else value for key, value in rule.options.items()
    }
    return {
        "name": rule.name,
        "title": title,
        "about": about,
        "level": rule.level,
        "label": LEVELS[rule.level],  # type: ignore[index]
        "starts_on": rule.starts_on,
        "waits": rule.starts_on is not None and rule.starts_on > today and rule.level != "off",
        "options": options,
        **more,
    }


def shown_exception(row: PolicyException) -> dict[str, Any]:
    """Return an exception as the page shows it."""
    return {
        "row": row,
        "kind": EXCEPTION_KINDS[row.kind],
        "rule": RULES[RuleName(row.rule)][0] if row.rule else "",
        "over": row.until is not None and row.until < timezone.now().date(),
    }


@never_cache
@require_POST
@login_required
def change_rule(request: StudioRequest, workspace: str, rule: str) -> HttpResponse:
    """Set a rule of the policy."""
    space = get_policy_workspace(request.user, workspace)
    typed = _typed(request, rule)
    try:
        changed = service.set_rule(space, rule, typed["level"], _day(typed), typed["options"], request.user)
    except PolicyRefused as problem:
        return _page(request, space, rule, typed, problem=problem)
    if changed:
        messages.success(request, _("Rule saved. It applies to the next builds; images that exist stay."))
    else:
        messages.info(request, _("No changes to save."))
    return redirect(f"{tab_url(space, 'policy')}#rule-{rule}")


@never_cache
@require_POST
@login_required
def rehearse_rule(request: StudioRequest, workspace: str, rule: str) -> HttpResponse:
    """Show what a rule, as it is typed, would have stopped over the past year. Nothing is saved."""
    space = get_policy_workspace(request.user, workspace)
    typed = _typed(request, rule)
    try:
        candidate = service.candidate(space, rule, "block", None, typed["options"])
    except PolicyRefused as problem:
        return _page(request, space, rule, typed, problem=problem)
    return _page(request, space, rule, typed, rehearsal=shown_rehearsal(rehearse(space, candidate)))


def shown_rehearsal(outcome: Rehearsal) -> dict[str, Any]:
    """Return a rehearsal as the page shows it."""
    return {
        "total": outcome.total,
        "stopped": len(outcome.stopped),
        "passed": outcome.passed,
        "since": outcome.since,
        "people": outcome.people[:NAMES],
        "more_people": max(0, len(outcome.people) - NAMES),
        "one_less": outcome.one_less[:NAMES],
        "one_less_total": sum(count for _name, count in outcome.one_less),
        "rows": [
            (each.case, [hit_message(hit) for hit in each.hits[:5]], each.only)
            for each in outcome.stopped[:ROWS]
        ],
        "more": max(0, len(outcome.stopped) - ROWS),
    }


@never_cache
@require_POST
@login_required
def add_exception(request: StudioRequest, workspace: str) -> HttpResponse:
    """Add an exception from the rules."""
    space = get_policy_workspace(request.user, workspace)
    typed = {name: _text(request, name, 2_000) for name in ("kind", "subject", "rule", "reason", "until")}
    try:
        row = service.add_exception(
            space,
            typed["kind"],
            typed["subject"],
            typed["rule"],
            typed["reason"],
            _day(typed, "until"),
            request.user,
        )
    except ServiceError as problem:
        field = getattr(problem, "field", "subject")
        return settings_page(request, space, "policy", typed=typed, problem=problem, exception_problem=field)
    messages.success(request, _("Exception for %(subject)s added.") % {"subject": row.subject})
    return redirect(f"{tab_url(space, 'policy')}#exceptions")


@require_POST
@login_required
def remove_exception(request: StudioRequest, workspace: str, exception: int) -> HttpResponse:
    """Remove an exception from the rules."""
    space = get_policy_workspace(request.user, workspace)
    rows = PolicyException.objects.filter(workspace=space, pk=exception) if exception < 2**63 else ()
    for row in rows:
        service.remove_exception(row, request.user)
        messages.success(request, _("Exception for %(subject)s removed.") % {"subject": row.subject})
        return redirect(f"{tab_url(space, 'policy')}#exceptions")
    raise Http404(f"There is no exception {exception} in {space}.")


def _page(
    request: StudioRequest, workspace: Workspace, name: str, typed: dict[str, Any], **more: Any
) -> HttpResponse:
    """Render the tab with one rule as it was typed."""
    if name not in RuleName.values:
        raise Http404(f"There is no rule {name[:40]}.")
    rules = []
    for rule in service.rules_of(workspace):
        if rule.name != name:
            rules.append(shown(rule))
            continue
        entry = shown(rule, open=True, **more)
        entry |= {"level": typed["level"], "starts_on": typed["starts_on"], "typed": True, "waits": False}
        entry["options"] |= typed["options"]
        rules.append(entry)
    failed = {"problem": more["problem"]} if "problem" in more else {}
    return settings_page(request, workspace, "policy", rules=rules, **failed)


def _typed(request: StudioRequest, rule: str) -> dict[str, Any]:
    if rule not in RuleName.values:
        raise Http404(f"There is no rule {rule[:40]}.")
    # A box that is not ticked is not sent.
    sent = [name for name in DEFAULTS[rule] if name in request.POST or name == "fixed"]
    options = {name: _text(request, name, LONGEST) for name in sent}
    level = _text(request, "level", 10)
    return {"level": level, "starts_on": _text(request, "starts_on", 40), "options": options}


def _text(request: StudioRequest, name: str, most: int) -> str:
    return request.POST.get(name, "").replace("\0", "").replace("\r\n", "\n").strip()[:most]


def _day(typed: dict[str, Any], name: str = "starts_on") -> dt.date | None:
    try:
        return dt.date.fromisoformat(typed[name]) if typed[name] else None
    except ValueError:
        raise PolicyRefused(name, _("Write the day as 2027-01-31.")) from None


TAB = Tab(
    27, "policy", gettext_lazy("Policy"), Right.SEE_SETTINGS, "studio/_settings_policy.html", policy_tab
)
