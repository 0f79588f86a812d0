"""The tab with a version's texts, and the editor for its next version."""

from typing import Any

from environments.access import origins_seen
from environments.definition.findings.secrets import masked
from environments.definition.model import Selection
from environments.definition.reading.edit_context import editable
from environments.models import Version
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from environments.versions.input import LIMITS
from environments.versions.texts import texts_of
from studio.defining.drafting import form_context, next_version_draft
from studio.defining.review import difference_from

MAX_FILES = 500  # of a build context, on one page


def context(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the tab's context: texts and files, the difference from the origin, and the editor."""
    version: Version = page["version"]
    definition = version.definition
    files = definition.context.files if definition.context else ()
    origin = origins_seen([version], request.user).get(version.pk)
    tab: dict[str, Any] = {
        "texts": texts_of(version),
        "files": [
            (file.path, len(file.content), not file.link and editable(file.content, LIMITS))
            for file in files[:MAX_FILES]
        ],
        "files_count": len(files),
        "selection": definition.selection if definition.selection.part != Selection() else None,
        "beside_paths": list(version.source_files.values_list("path", flat=True)),
        "variables": [(name, masked(value)) for name, value in sorted(definition.variables.items())],
        "origin": origin,
        "since_origin": difference_from(origin, definition),
    }
    fixed = page["workspace"].curated or version.environment.anonymous
    if page["here"]["define"] and not fixed:
        tab |= {
            "editing": True,
            **form_context(request, next_version_draft(version, query_param(request, "file"))),
        }
        tab["texts"] = [text for text in tab["texts"] if text.text.strip() != tab["text"].strip()]
    return tab
