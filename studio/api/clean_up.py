"""Cleaning up a workspace's images: what would go and what stays, and taking it away."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.response import Response

from builds.images import retention
from environments.access import Right, get_workspace
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented

WORKSPACE = ("workspace",)
RULE_QUERY = {
    "days": f"Images unused for so many days may be deleted ({retention.DEFAULT_DAYS}).",
    "older": "`false` keeps current images of versions that are not their environment's latest (true).",
}


class RuleIn(s.Serializer[Any]):
    """Images that may be deleted."""

    days = s.IntegerField(min_value=1, max_value=3650, default=retention.DEFAULT_DAYS)
    older = s.BooleanField(default=True)


class Fate(s.Serializer[Any]):
    """Images with the same fate."""

    fate = s.ChoiceField(choices=[*retention.GOES, *retention.STAYS], help_text="Why they go or stay.")
    images = s.IntegerField()
    size = s.IntegerField(help_text="Bytes of all of them; what images share counts in each.")


class Going(s.Serializer[Any]):
    """An image that goes."""

    name = s.CharField()
    digest = s.CharField()
    size = s.IntegerField()
    used_at = s.DateTimeField()
    fate = s.ChoiceField(choices=retention.GOES)


class CleanUp(s.Serializer[Any]):
    """The images that a clean-up deletes and those it keeps."""

    goes = Fate(many=True)
    stays = Fate(many=True)
    images = Going(many=True, help_text=f"Longest unused first, {retention.AT_ONCE} at most.")
    freed = s.IntegerField(help_text="Bytes of layers that no other image has.")
    more = s.IntegerField(help_text="How many could go after these.")


class CleanUpResult(s.Serializer[Any]):
    """Images that were deleted."""

    images = s.IntegerField()
    freed = s.IntegerField()


@documented(
    "GET",
    CleanUp,
    path=WORKSPACE,
    query=RULE_QUERY,
)
def preview_clean_up(request: ApiRequest, workspace: str) -> Response:
    """List the images that a clean-up would delete, and those it keeps and why."""
    space = get_workspace(request.user, workspace, Right.CLEAN_UP)
    preview = retention.preview(space, _rule(request.query_params))
    return Response(CleanUp(preview).data)


@documented("POST", CleanUpResult, takes=RuleIn, path=WORKSPACE)
def clean_up(request: ApiRequest, workspace: str) -> Response:
    """Delete the images that nobody uses; their files follow."""
    space = get_workspace(request.user, workspace, Right.CLEAN_UP)
    done = retention.clean_up(space, _rule(request.data), request.user)
    return Response(CleanUpResult(done).data)


def _rule(sent: Any) -> retention.Rule:
    rule = RuleIn(data=sent)
    rule.is_valid(raise_exception=True)
    return retention.Rule(**rule.validated_data)
