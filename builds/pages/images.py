"""The images of a workspace: the list with its totals, and the page of an image with its layers."""

import re

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from builds.images.layers import layers_of, shared_layers, totals_of
from builds.images.listing import ImageFilter, base_moved, find_images
from builds.images.repositories import name_of, pull_names_of, version_to_name
from builds.pages import queries
from builds.pages.rebases import rebases_of
from builds.pages.sharing import sharing_of
from builds.policies.subjects import hits_of_image
from builds.provenance.evidence import attached_to, tests_of
from environments.access import Right, get_workspace, may
from environments.paging import KeysetPaginator
from environments.public_url import public_host
from environments.requests import StudioRequest

ROWS = 25
LAYERS_SHOWN = 500
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@require_safe
@login_required
def images(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show a workspace's images and which versions share each."""
    workspace = get_workspace(request.user, workspace)
    criteria = ImageFilter.read(request.GET)
    images = find_images(queries.images_for_list(workspace), workspace, criteria)
    page = KeysetPaginator(images, ROWS).get_page(request.GET.get("page"))
    sharing = sharing_of(workspace, (image.hash for image in page), request.user)
    shared = shared_layers([image.pk for image in page])
    named = [(image, version_to_name(sharing[image.hash].seen, image)) for image in page]
    rows = [
        {
            "image": image,
            "sharing": sharing[image.hash],
            "pull": pull.command,
            "shared": shared.get(image.pk),
        }
        for image, pull in zip(page, pull_names_of(named, public_host(request)), strict=True)
    ]
    context = {
        "workspace": workspace,
        "totals": totals_of(workspace),
        "page": page,
        "rows": rows,
        "criteria": criteria,
        "choices": [
            ("current", _("Current")),
            ("replaced", _("Replaced by a newer image")),
            ("unused", _("Not used for 30 days")),
            ("moved", _("Base image updated")),
        ],
        "may_clean_up": may(request.user, Right.CLEAN_UP, workspace),
    }
    return render(request, "builds/images.html", context)


@require_safe
@login_required
def image(request: StudioRequest, workspace: str, digest: str) -> HttpResponse:
    """Show an image: what shares it, its platforms and its layers."""
    workspace = get_workspace(request.user, workspace)
    images = queries.images_for_list(workspace).defer("lock").annotate(base_moved=base_moved())
    row = images.filter(digest=digest).first() if DIGEST.fullmatch(digest) else None
    if row is None:
        raise Http404(f"{workspace} has no image {digest}.")
    sharing = sharing_of(workspace, [row.hash], request.user)[row.hash]
    named = version_to_name(sharing.seen, row)
    (names,) = pull_names_of([(row, named)], public_host(request))
    layers = layers_of(row)
    context = {
        "workspace": workspace,
        "image": row,
        "sharing": sharing,
        "pull": names,
        "shared": shared_layers([row.pk]).get(row.pk),
        "layers": layers[:LAYERS_SHOWN],
        "more_layers": max(0, len(layers) - LAYERS_SHOWN),
        "tests": tests_of(row, named),
        "attached": attached_to(row),
        "verify_name": name_of(named) if named and row.current else digest,
        "policy": hits_of_image(workspace, row, sharing.every),
        "platforms": list(row.platform_rows.defer("lock")),
        "rebases": list(rebases_of(row)),
    }
    return render(request, "builds/image.html", context)
