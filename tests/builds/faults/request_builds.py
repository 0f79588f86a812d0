"""Request builds as the studio's pages do: `python -m tests.builds.faults.request_builds FILE...` on its database.

Prints a JSON object: `builds`, the id of each file's build by the file's name, and `session`, a session cookie of the admin.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django


def main() -> None:
    """Save each file as a version, request its build, and print the builds' ids."""
    django.setup()
    # Models can be imported only now.
    from django.contrib.auth.models import User

    from builds.queue.requests import request_build
    from environments.definition import read_path
    from environments.models import Workspace
    from environments.versions.service import save_reading

    workspace = Workspace.objects.get(name="default")
    admin = User.objects.get(username="admin")
    builds = {}
    for file in map(Path, sys.argv[1:]):
        version = save_reading(workspace, file.stem, read_path(file), source=file.read_text()).version
        builds[file.stem] = str(request_build(version, admin).build_id)
    print(json.dumps({"builds": builds, "session": session_of(admin)}))


def session_of(user: object) -> str:
    """Return the value of a session cookie of the user."""
    from django.test import Client

    browser = Client()
    browser.force_login(user)  # type: ignore[arg-type]
    return browser.cookies["studio_session"].value


if __name__ == "__main__":
    main()
