"""The badge of an environment, for anyone with its address: it looks at no session."""

from __future__ import annotations

import hashlib

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import override
from django.views.decorators.http import require_safe

from builds.pages.queries import NOT_BUILT, image_states
from environments.models import Environment
from studio.environments.badge.drawing import draw
from studio.environments.badge.links import may_see_badge
from studio.templatetags.studio import size

SECONDS = 60  # a badge may be as old
MESSAGES = {
    "ready": ("ready", "good"),
    "queued": ("queued", "busy"),
    "running": ("building", "busy"),
    "failed": ("failed", "bad"),
    "cancelled": ("cancelled", "quiet"),
    "none": ("not built", "quiet"),
}


@require_safe
def badge(request: HttpRequest, workspace: str, name: str) -> HttpResponseBase:
    """Send the badge of an environment's latest version; 404 to those who may not see it."""
    rows = Environment.objects.named().filter(workspace__name=workspace, name=name)
    environment = rows.select_related("workspace").first()
    if environment is None or not may_see_badge(environment, request.GET.get("key", "")):
        raise Http404("There is no such badge.")
    with override("en"):
        content = _drawn(environment).encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    response = HttpResponse(content, content_type="image/svg+xml; charset=utf-8")
    response.headers["Cache-Control"] = f"public, max-age={SECONDS}"
    response.headers["ETag"] = etag
    # README files are shown by other sites.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return get_conditional_response(request, etag=etag, response=response) or response


def _drawn(environment: Environment) -> str:
    version = environment.latest(without_content=True)
    if version is None:
        return draw(environment.shown_name, "archived", "quiet")
    state = image_states(environment.workspace, [version.hash]).get(version.hash, NOT_BUILT)
    message, colour = MESSAGES.get(state.state, MESSAGES["none"])
    if state.image is not None:
        message = f"{message} · {size(state.image.size)}"
    return draw(f"{environment.shown_name}:{version.version}", message, colour)
