"""The first tab of an environment's page: its contents, how to use it, its description and identifiers."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from builds.exposure.of_image import vulnerabilities_of
from builds.images.platforms import deviations
from builds.images.repositories import name_of, pull_names
from builds.models import Image
from builds.pages import queries
from builds.pages.sharing import sharing_of
from builds.queue import requests
from builds.statistics.estimates import build_estimate, version_estimate
from environments.access import get_version, origins_seen
from environments.definition.findings.secrets import masked, masked_script
from environments.models import Version
from environments.public_url import base_url, public_host
from environments.requests import StudioRequest
from environments.sharing.badge_keys import MAX_NAME_LENGTH
from environments.sharing.service import origin_of
from environments.versions.forms import DescribeForm, write_tags
from environments.versions.input import version_findings
from environments.versions.service import description_fingerprint
from environments.versions.texts import text_to_edit
from studio.environments.badge.links import badges_of
from studio.environments.how_to_use import snippets
from studio.environments.summary.contents import contents_of
from studio.environments.tour import tour_for

# Source format -> the name of its file, where the version does not record it
FILE_NAMES = {"dockerfile": "Dockerfile", "requirements": "requirements.txt", "v1-json": "environment.json"}


def details(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the tab's context."""
    version: Version = page["version"]
    image: Image | None = page["image"]
    definition = version.definition
    return (
        {
            "definition": definition,
            "contents": contents_of(version, image),
            "channels": [masked(channel) for channel in definition.python.channels],
            "findings": version_findings(version),
            "may_ignore": page["here"]["define"] and not version.environment.anonymous,
            "sharing": sharing_of(page["workspace"], [version.hash], request.user)[version.hash].without(
                version
            ),
            "expected": expected_duration(version, page["outlook"]),
            "pull": pull_names(image, public_host(request), version) if image else None,
            "seen": description_fingerprint(version),
            "started_from": origins_seen([version], request.user).get(version.pk),
            "shared_from": origin_of(version) if version.based_on_id else None,
            "badges": badges_of(version.environment, request),
            "badge_key_length": MAX_NAME_LENGTH,
            "tour": tour_for(request.user, page["here"], version, image),
            "vulnerabilities": vulnerabilities_of(image) if image else None,
            **(_platforms(image) if image else {}),
        }
        | _how_to_use(request, page)
        | _about(request, page)
    )


def _pull_that_builds(request: StudioRequest, page: dict[str, Any]) -> str:
    """Return the command that builds and pulls a version without an image; empty where a pull builds nothing."""
    version: Version = page["version"]
    if (
        version.environment.anonymous
        or page["image"]
        or page["status"].failed
        or not (page["here"]["build"] and settings.PULL_WAIT_SECONDS)
    ):
        return ""
    return f"docker pull {public_host(request)}/{name_of(version)}"


def _platforms(image: Image) -> dict[str, Any]:
    """Return the platforms of an image that is an index of several, and the packages that differ between them."""
    if "," not in image.platforms:
        return {}
    return {"parts": image.platform_rows.defer("lock"), "deviations": deviations(image)}


def _how_to_use(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the snippets of a version and the chosen snippet."""
    choices = snippets(
        page["version"],
        page["image"],
        base_url(request),
        request.user.get_username(),
        building_pull=_pull_that_builds(request, page),
    )
    key = request.GET.get("use", "")
    return {
        "ways": [choice for choice in choices if choice.first],
        "more_ways": [choice for choice in choices if not choice.first],
        "way": next((snippet for snippet in choices if snippet.key == key), choices[0] if choices else None),
    }


def _about(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the form for description and tags, if it was requested and the user may edit."""
    version: Version = page["version"]
    if request.GET.get("edit") != "about" or not page["here"]["define"]:
        return {}
    return {"about": DescribeForm({"description": version.description, "tags": write_tags(version.tags)})}


def expected_duration(version: Version, outlook: requests.ImageStatus) -> str:
    """Return the expected duration of the running build, or of a build started now."""
    if outlook.image is not None:
        return ""
    if outlook.build is not None:
        return build_estimate(outlook.build, queries.steps_shown(outlook.build))
    return version_estimate(version)


@require_safe
@login_required
def definition_file(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Send the definition of a version as the file it was given as, with its secrets masked."""
    current = get_version(request.user, workspace, name, version)
    text = masked_script(text_to_edit(current))
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{_file_name(current)}"'
    return response


def _file_name(version: Version) -> str:
    given = version.source_path.rpartition("/")[2]
    name = given or FILE_NAMES.get(version.source_format, "environment.yaml")
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)
