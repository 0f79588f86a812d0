"""The texts of a version, in an editor for those who may write the next one."""

from typing import Any

from django.http import HttpRequest

from environments.access import Right, may
from environments.definition.contexting import editable
from environments.definition.secrets import masked
from environments.forms import asked_for
from environments.given import LIMITS
from environments.models import Version
from environments.texts import texts_of
from studio.reviewing import difference_from
from studio.views.define import context_of, desk_for

MOST_FILES = 500  # of a build context, on one page


def context(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return what the tab shows: the texts and files, what differs from the start, and the editor."""
    version: Version = page["version"]
    definition = version.definition
    files = definition.context.files if definition.context else ()
    start = version.based_on
    shown: dict[str, Any] = {
        "texts": texts_of(version),
        "files": [
            (file.path, len(file.content), editable(file.content, LIMITS)) for file in files[:MOST_FILES]
        ],
        "files_count": len(files),
        "variables": [(name, masked(value)) for name, value in sorted(definition.variables.items())],
        "origin": start,
        "since_origin": difference_from(start, definition),
        "origin_hidden": start is not None and not may(request.user, Right.SEE, start.environment.workspace),
    }
    if page["here"]["define"] and not page["place"].curated:
        shown |= {"editing": True, **context_of(request, desk_for(version, asked_for(request, "file")))}
        shown["texts"] = [one for one in shown["texts"] if one.text.strip() != shown["text"].strip()]
    return shown
