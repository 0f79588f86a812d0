"""Compile every template: `python -m scripts.templates` names the broken ones with their line."""

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
    folder = Path(settings.BASE_DIR, "templates")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
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
