"""Compile every template of the studio: `python -m scripts.templates`. A broken one is named with its line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template


def broken_templates() -> list[str]:
    """Return a sentence for each template that does not compile, or that names one that is not there."""
    sentences = []
    for folder in map(Path, settings.TEMPLATES[0]["DIRS"]):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = str(path.relative_to(folder))
            try:
                get_template(name)
            except TemplateSyntaxError as error:
                token = getattr(error, "token", None)
                sentences.append(f"templates/{name}:{token.lineno if token else 1}: {error}")
            except TemplateDoesNotExist as error:
                sentences.append(f"templates/{name}: there is no template {error}")
    return sentences


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    django.setup()
    broken = broken_templates()
    print("\n".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
