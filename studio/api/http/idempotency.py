"""Requests that are sent again: the same `Idempotency-Key` gets the same answer, and nothing is done twice."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from environments.access import get_workspace
from studio.api.http.answers import Conflict
from studio.api.http.requests import ApiRequest
from studio.models import IdempotentResponse

KEPT = timedelta(hours=24)
# A process that takes longer has died; the request may then be sent again.
ANSWERING = timedelta(minutes=2)
HEADER = "Idempotency-Key"


def answered_once(view: Callable[..., Response]) -> Callable[..., Response]:
    """Let a view that changes something answer each key of a person once; without a key it is as it was."""

    @wraps(view)
    def answer(request: ApiRequest, **path: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return view(request, **path)
        if not 0 < len(key) <= 255 or not key.isprintable():
            raise ValidationError({HEADER: ["A key has 1 to 255 printable characters."]})
        digest = _digest(request)
        kept = _begin(request, key, digest)
        if kept.status is not None:
            # The stored answer is not repeated to a caller, or a token, without the right to see it.
            if "workspace" in path:
                get_workspace(request.user, path["workspace"])
            return Response(kept.body, status=kept.status, headers={"Idempotent-Replayed": "true"})
        try:
            response = view(request, **path)
        except BaseException:
            kept.delete()  # nothing was done: it may be tried again
            raise
        kept.status, kept.body = response.status_code, _plain(response.data)
        kept.save(update_fields=["status", "body"])
        return response

    return answer


def _digest(request: ApiRequest) -> str:
    """Return what a request asks for, in 64 characters."""
    sent = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    # A body that came as a form was read as such; its fields stand for it.
    data = request.data
    fields = sorted((name, data.getlist(name)) for name in data) if isinstance(data, QueryDict) else data
    for name, files in request.FILES.lists():
        for file in files:
            sent.update(repr((name, file.name, file.size)).encode())
            for chunk in file.chunks():
                sent.update(chunk)
            file.seek(0)
    sent.update(repr(fields).encode())
    return sent.hexdigest()


def _begin(request: ApiRequest, key: str, digest: str) -> IdempotentResponse:
    """Return the row of this key: new, or with the stored answer."""
    now = timezone.now()
    mine = IdempotentResponse.objects.filter(user=request.user.pk)
    mine.filter(created_at__lt=now - KEPT).delete()
    mine.filter(key=key, status=None, created_at__lt=now - ANSWERING).delete()
    try:
        with transaction.atomic():
            return IdempotentResponse.objects.create(user=request.user, key=key, request=digest)
    except IntegrityError:
        kept = mine.filter(key=key).first()
    if kept is None:
        raise Conflict("The request with this key has just ended without an answer: send it again.")
    if kept.request != digest:
        raise Conflict(f"This {HEADER} was sent with another request. Take a new one for each request.")
    if kept.status is None:
        raise Conflict("The request with this key is still being answered: ask again in a moment.")
    return kept


def _plain(data: Any) -> Any:
    """Return an answer as the JSON that is sent."""
    return json.loads(json.dumps(data, cls=JSONEncoder))
