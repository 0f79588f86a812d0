"""The editor's own texts in the reader's language."""

import json

from django.utils.translation import gettext as _


def phrases() -> str:
    """Return the editor's texts and their translations, as JSON."""
    texts = {
        "Completions": _("Completions"),
        "Diagnostics": _("Findings"),
        "No diagnostics": _("No findings"),
        "Find": _("Find"),
        "Replace": _("Replace by"),
        "next": _("next"),
        "previous": _("previous"),
        "all": _("all"),
        "match case": _("match case"),
        "regexp": _("regular expression"),
        "by word": _("whole words"),
        "replace": _("replace"),
        "replace all": _("replace all"),
        "close": _("close"),
        "current match": _("current match"),
        "on line": _("on line"),
        "replaced match on line $": _("replaced the match on line $"),
        "replaced $ matches": _("replaced $ matches"),
        "Go to line": _("Go to line"),
        "go": _("go"),
    }
    return json.dumps(texts, ensure_ascii=False)
