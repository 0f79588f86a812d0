"""Endpoints for machines: health, readiness, metrics."""

import ipaddress
from hmac import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from structlog.contextvars import get_contextvars

from builds.provenance.keys import public_keys
from studio.operations import metrics, readiness


def may_look(request: HttpRequest) -> bool:
    """Whether somebody on this machine asks, or one who has STUDIO_OPERATIONS_TOKEN."""
    token = settings.OPERATIONS_TOKEN
    given = request.headers.get("Authorization", "")
    if token and compare_digest(given.encode(), f"Bearer {token}".encode()):
        return True
    # A request through a proxy on this machine comes from elsewhere.
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def refused() -> HttpResponse:
    """Say how one may look."""
    return HttpResponseForbidden(
        "Ask from this machine, or send STUDIO_OPERATIONS_TOKEN as a bearer token.\n", "text/plain"
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a request that failed in the studio, with the id under which the log has the details.

    It asks nothing of the database, which may be the cause.
    """
    context = {
        "reference": get_contextvars().get("request", ""),
        "address": request.path if request.method in ("GET", "HEAD") else "/",
    }
    return HttpResponse(render_to_string("500.html", context), status=500)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer: the process is alive. Nothing is asked of the database."""
    return HttpResponse("ok\n", "text/plain")


@require_safe
def signing_key(request: HttpRequest) -> HttpResponse:
    """Answer with the public keys that verify the studio's signatures, the newest first, as PEM. Anyone may read them."""
    response = HttpResponse("".join(key.public_pem for key in public_keys()), "application/x-pem-file")
    response["Cache-Control"] = "public, max-age=300"
    return response


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when this process can do its work, else 503 with what is missing."""
    if not may_look(request):
        return refused()
    lacks = readiness.missing()
    return JsonResponse({"ready": not lacks, "missing": lacks}, status=503 if lacks else 200)


@never_cache
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Answer with all numbers for Prometheus."""
    if not may_look(request):
        return refused()
    return HttpResponse(metrics.exposition(), CONTENT_TYPE_LATEST)
