"""Cleaning up a workspace's images: what would go and what stays, and taking it away."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from builds import unused
from environments.access import Right, get_workspace
from studio.api.describing import documented, route

PLACE = ("workspace",)
ASKED = {
    "days": f"Images that nobody used for so many days may go ({unused.DEFAULT_DAYS}).",
    "older": "`false` keeps current images of versions that are not their environment's latest (true).",
}


class RuleIn(s.Serializer[Any]):
    """What may go."""

    days = s.IntegerField(min_value=1, max_value=3650, default=unused.DEFAULT_DAYS)
    older = s.BooleanField(default=True)


class Fate(s.Serializer[Any]):
    """Images with the same fate."""

    fate = s.ChoiceField(choices=[*unused.GOES, *unused.STAYS], help_text="Why they go or stay.")
    images = s.IntegerField()
    size = s.IntegerField(help_text="Bytes of all of them; what images share counts in each.")


class Going(s.Serializer[Any]):
    """An image that goes."""

    name = s.CharField()
    digest = s.CharField()
    size = s.IntegerField()
    used_at = s.DateTimeField()
    fate = s.ChoiceField(choices=unused.GOES)


class CleanUp(s.Serializer[Any]):
    """What a clean-up takes away and what it leaves."""

    goes = Fate(many=True)
    stays = Fate(many=True)
    images = Going(many=True, help_text=f"Longest unused first, {unused.AT_ONCE} at most.")
    freed = s.IntegerField(help_text="Bytes of layers that no other image has.")
    more = s.IntegerField(help_text="How many could go after these.")


class CleanedUp(s.Serializer[Any]):
    """What went."""

    images = s.IntegerField()
    freed = s.IntegerField()


@documented(
    "GET",
    "Tell which images a clean-up would delete, and what stays and why",
    CleanUp,
    path=PLACE,
    query=ASKED,
)
def preview_clean_up(request: Request, workspace: str) -> Response:
    """Tell which images a clean-up would delete, and what stays and why."""
    place = get_workspace(request.user, workspace, Right.CLEAN_UP)
    found = unused.preview(place, _rule(request.query_params))
    return Response(CleanUp(found).data)


@documented(
    "POST", "Delete the images that nobody uses; their files follow", CleanedUp, takes=RuleIn, path=PLACE
)
def clean_up(request: Request, workspace: str) -> Response:
    """Delete the images that nobody uses; their files follow."""
    place = get_workspace(request.user, workspace, Right.CLEAN_UP)
    done = unused.clean_up(place, _rule(request.data), request.user)  # type: ignore[arg-type]
    return Response(CleanedUp(done).data)


def _rule(sent: Any) -> unused.Rule:
    rule = RuleIn(data=sent)
    rule.is_valid(raise_exception=True)
    return unused.Rule(**rule.validated_data)


ROUTES = {"clean-up": route(GET=preview_clean_up, POST=clean_up)}
