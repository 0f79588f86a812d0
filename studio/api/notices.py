"""The caller's notices: what is under the bell and in the inbox."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers as s
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from environments.access import token_used_by
from environments.models.notifications import Notice, NoticeKind
from environments.notifications.inbox import mark_read, notices_of
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes.responses import paged

FILTERS = {"unread": "`true`: only unread notices."}


class NoticeOut(s.Serializer[Any]):
    """A message to the caller."""

    id = s.IntegerField()
    kind = s.ChoiceField(choices=NoticeKind.values)
    subject = s.CharField()
    text = s.CharField(allow_blank=True)
    url = s.CharField(allow_blank=True, help_text="The path of the page about it.")
    own = s.BooleanField(help_text="About something that the caller started.")
    created_at = s.DateTimeField()
    read_at = s.DateTimeField(allow_null=True)


class ReadIn(s.Serializer[Any]):
    """The notices to mark as read: these, or all up to one."""

    notices = s.ListField(
        child=s.IntegerField(min_value=1, max_value=2**63 - 1), max_length=500, required=False
    )
    until = s.IntegerField(
        min_value=1, max_value=2**63 - 1, required=False, help_text="The id of the newest notice to mark."
    )


class ReadOut(s.Serializer[Any]):
    """The result of marking notices as read."""

    marked = s.IntegerField()
    unread = s.IntegerField(help_text="How many are unread now.")


def _notices(request: ApiRequest, *, unread: bool = False) -> QuerySet[Notice]:
    """Return the caller's notices; with a token for one workspace only those about it."""
    notices = notices_of(request.user, unread=unread)
    token = token_used_by(request.user)
    if token is not None and token.workspace is not None:
        notices = notices.filter(address__startswith=f"/w/{token.workspace.name}/")
    return notices


@documented("GET", paged(NoticeOut), query=FILTERS, paged=True)
def notices(request: ApiRequest) -> Response:
    """List your notices, newest first."""
    unread = request.query_params.get("unread", "").lower() in ("1", "true")
    page, pages = page_of(request, _notices(request, unread=unread), ("-pk",))
    return pages.get_paginated_response([_row(notice) for notice in page])


@documented("POST", ReadOut, takes=ReadIn)
def read_notices(request: ApiRequest) -> Response:
    """Mark notices as read; those of others are left alone."""
    sent = ReadIn(data=request.data)
    sent.is_valid(raise_exception=True)
    wanted = sent.validated_data
    if not wanted:
        raise ValidationError({"notices": ["Name notices, or `until` which of them."]})
    rows = _notices(request, unread=True)
    if "notices" in wanted:
        rows = rows.filter(pk__in=wanted["notices"])
    if "until" in wanted:
        rows = rows.filter(pk__lte=wanted["until"])
    marked = mark_read(request.user, list(rows.values_list("pk", flat=True)))
    return Response({"marked": marked, "unread": _notices(request, unread=True).count()})


def _row(notice: Notice) -> dict[str, Any]:
    fields = ("kind", "subject", "text", "own", "created_at", "read_at")
    return {field: getattr(notice, field) for field in fields} | {"id": notice.pk, "url": notice.address}
