"""Ask a studio for a build as its pages do: `python -m tests.builds.asking FILE` on its database prints the id."""

from __future__ import annotations

import sys
from pathlib import Path

import django


def main() -> None:
    """Save the file as a version, request its build, and print the build's id."""
    django.setup()
    # Models can be imported only now.
    from builds.services import request_build
    from environments.definition import read_path
    from environments.models import Workspace
    from environments.services import save_reading

    file = Path(sys.argv[1])
    workspace = Workspace.objects.get(name="default")
    version = save_reading(workspace, file.stem, read_path(file), source=file.read_text()).version
    print(request_build(version).build_id)


if __name__ == "__main__":
    main()
