"""Commands on a studio's data for the load tests: `python -m bench.load.inside COMMAND …`.

Each command prints one line of JSON at its end.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from typing import Any

import django

LINE = "Collecting package-{number:06d} from the index, 1.2 MB of 3.4 MB at 5.6 MB/s"
PEOPLE = 50


def prepare() -> dict[str, Any]:
    """Bring the database up to date; make the workspace and its people."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from environments.models import Member, Role, Workspace

    call_command("migrate", verbosity=0)
    workspace, made = Workspace.objects.get_or_create(name="lab", defaults={"title": "Lab"})
    if made:
        for number in range(PEOPLE):
            user = User.objects.create(username=f"person-{number}")
            Member.objects.create(workspace=workspace, user=user, role=Role.OWNER)
    return {}


def people() -> list[str]:
    """Return a session of each person."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User

    keys = []
    engine = import_module(settings.SESSION_ENGINE)
    for user in User.objects.filter(username__startswith="person-"):
        session = engine.SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session["workspace"] = "lab"
        session.save()
        keys.append(session.session_key)
    return keys


def build() -> str:
    """Save a definition that is like no other, ask for its build, and return the build's id."""
    from builds.queue.requests import request_build
    from environments.definition import read
    from environments.models import Workspace
    from environments.versions.service import save_reading

    text = f"numpy==2.1.3\nsix==1.{uuid.uuid4().int}\n"
    workspace = Workspace.objects.get(name="lab")
    reading = read(text, "requirements.txt")
    saved = save_reading(workspace, f"watched-{uuid.uuid4().hex[:8]}", reading, source=text)
    return str(request_build(saved.version).build_id)


def taken(build_id: str) -> Any:
    """Return the claim on a build."""
    from builds.queue.claims import Claim

    claim = Claim.take(uuid.UUID(build_id), "a worker of the measurement")
    assert claim is not None, "somebody else has this build"
    return claim


def write(build_id: str, rate: str, seconds: str) -> int:
    """Write so many lines a second as a build does, each with the time of its writing; return how many."""
    from builds.models.steps import StepName
    from builds.worker.reporter import BuildReporter

    claim = taken(build_id)
    count = int(float(rate) * float(seconds))
    with BuildReporter(claim) as reporter:
        with reporter.step(StepName.FETCH):
            began = time.time()
            for number in range(count):
                time.sleep(max(0.0, began + number / float(rate) - time.time()))
                reporter.line(f"{LINE.format(number=number)} @{time.time():.6f}")
        reporter.flush()
    claim.fail("measured", "This build was for measuring.", "Nothing.", "studio")
    return count


def change(rate: str, seconds: str) -> list[float]:
    """Save an environment so many times a second; return when each was there."""
    from environments.definition import read
    from environments.models import Workspace
    from environments.versions.service import save_reading

    workspace = Workspace.objects.get(name="lab")
    times = []
    for number in range(int(float(rate) * float(seconds))):
        began = time.time()
        text = f"six==1.{uuid.uuid4().int}\n"
        reading = read(text, "requirements.txt")
        save_reading(workspace, f"changed-{number}-{uuid.uuid4().hex[:8]}", reading, source=text)
        times.append(time.time())
        time.sleep(max(0.0, 1 / float(rate) - (times[-1] - began)))
    return times


def fill(build_id: str, lines: str) -> int:
    """Write a long log at once, and end the build."""
    from builds.models.steps import StepName
    from builds.worker.reporter import BuildReporter

    claim = taken(build_id)
    with BuildReporter(claim) as reporter:
        names = (StepName.BASE, StepName.RESOLVE, StepName.FETCH, StepName.ASSEMBLE)
        for part, name in enumerate(names):
            with reporter.step(name):
                for number in range(int(lines) * part // len(names), int(lines) * (part + 1) // len(names)):
                    reporter.line(LINE.format(number=number))
                    if number % 500 == 499:
                        reporter.flush()
        reporter.flush()
    claim.fail("measured", "This build was for measuring.", "Nothing.", "studio")
    return int(lines)


def definitions(count: str) -> list[str]:
    """Save so many different definitions; return the addresses that build them."""
    from environments.definition import read
    from environments.models import Workspace
    from environments.versions.service import save_reading

    workspace = Workspace.objects.get(name="lab")
    run = uuid.uuid4().hex[:8]
    for number in range(int(count)):
        text = f"numpy==2.1.3\nsix==1.{number}.{int(run, 16)}\n"
        save_reading(workspace, f"burst-{run}-{number}", read(text, "requirements.txt"), source=text)
    return [f"/w/lab/environments/burst-{run}-{number}/versions/1/build" for number in range(int(count))]


def burst(prefix: str) -> dict[str, int]:
    """Count what a burst of requests for definitions under this prefix led to."""
    from builds.models import Build, BuildRequest

    mine = {"version__environment__name__startswith": prefix}
    return {
        "builds": Build.objects.filter(**mine).count(),
        "requests": BuildRequest.objects.filter(**mine).count(),
    }


def data(environments: str, versions: str) -> dict[str, Any]:
    """Fill the workspace with so many environments of so many versions each, unless they are there."""
    from bench.load.data import fill_workspace

    return fill_workspace(int(environments), int(versions))


def new_token() -> str:
    """Return an access token of a person."""
    from django.contrib.auth.models import User

    from environments.models import Scope
    from environments.workspaces.tokens import create_token

    return create_token(User.objects.get(username="person-0"), "measuring", Scope.WRITE)[1]


def known() -> dict[str, str]:
    """Return a token of a person, and what of the workspace has a build and an image: for the API's addresses."""
    from builds.models import Build, Image
    from environments.models import Environment

    image = Image.objects.filter(workspace__name="lab", current=True).order_by("pk").last()
    assert image is not None
    built = Build.objects.filter(hash=image.hash).select_related("version__environment").first()
    assert built is not None
    name = built.version.environment.name
    other = Environment.objects.filter(workspace__name="lab").exclude(name=name).order_by("pk").first()
    assert other is not None
    return {
        "token": new_token(),
        "name": name,
        "other": other.name,
        "build": str(built.pk),
        "digest": image.digest,
    }


def token(secret: str) -> dict[str, float]:
    """Return how many milliseconds the check of a token takes."""
    from environments.workspaces.tokens import find_token

    took = []
    for _ in range(300):
        began = time.perf_counter()
        assert find_token(secret) is not None
        took.append(1000 * (time.perf_counter() - began))
    took.sort()
    return {"p50": took[150], "p95": took[285]}


def queries(*paths: str) -> dict[str, int]:
    """Return how many queries each page takes."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    browser = Client(headers={"host": "127.0.0.1"})
    browser.force_login(User.objects.get(username="person-0"), "django.contrib.auth.backends.ModelBackend")
    browser.get(paths[0])  # the session notes the workspace once
    counts = {}
    for path in paths:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            answer = browser.get(path)
        assert answer.status_code == 200, f"{path} answered {answer.status_code}"
        counts[path] = len(seen)
    return counts


COMMANDS = {
    command.__name__: command
    for command in (
        prepare,
        people,
        build,
        write,
        change,
        fill,
        new_token,
        definitions,
        burst,
        data,
        known,
        token,
        queries,
    )
}


if __name__ == "__main__":
    django.setup()
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
