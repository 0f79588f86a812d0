"""Several requests of an upload at the same moment, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Sum
from pytest_django.fixtures import Settings

from environments.contexts import uploads
from environments.contexts.folder import WithContext, uploaded_folder
from environments.contexts.names import read_name
from environments.contexts.sweep import sweep_uploads
from environments.errors import ServiceError
from environments.models import UploadedBlob
from environments.stored_files import FileStore
from environments.versions.input import read_beside
from environments.versions.service import save_version
from tests.builds.scenarios import workspace_named

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("either_database")]
MANY = 8


@pytest.fixture(autouse=True)
def store(settings: Settings, tmp_path: Path) -> FileStore:
    settings.CONTEXTS = tmp_path
    return FileStore()


def at_once(act: Callable[[int], object]) -> list[str]:
    """Call this in as many threads; return the code of each refusal, and "" for each success."""
    start, outcomes = threading.Barrier(MANY), [""] * MANY

    def run(number: int) -> None:
        start.wait(60)
        try:
            act(number)
        except ServiceError as error:
            outcomes[number] = error.code
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcomes)


def test_of_several_that_create_a_file_the_first_does() -> None:
    lab, ann = workspace_named("lab"), User.objects.create(username="ann")
    name = read_name("LocalUpload/abc/context/Dockerfile")

    def create(number: int) -> None:
        content = f"FROM a:{number}\n".encode()
        uploads.put_blob(lab, name, [content], length=len(content), user=ann, only_new=True)

    assert at_once(create) == ["", *["blob-exists"] * (MANY - 1)]
    assert UploadedBlob.objects.count() == 1


def test_the_quota_of_a_workspace_is_never_passed(settings: Settings) -> None:
    settings.UPLOAD_BYTES = 50
    lab, ann = workspace_named("lab"), User.objects.create(username="ann")

    def send(number: int) -> None:
        name = read_name(f"LocalUpload/{number}/context/Dockerfile")
        uploads.put_blob(lab, name, [b"0123456789"], length=10, user=ann)

    assert at_once(send) == [*[""] * 5, *["uploads-full"] * (MANY - 5)]
    assert UploadedBlob.objects.aggregate(size=Sum("size"))["size"] == 50


def test_a_version_that_is_saved_during_sweeps_has_all_its_files(store: FileStore) -> None:
    lab, ann = workspace_named("lab"), User.objects.create(username="ann")
    name = read_name("LocalUpload/abc/context/Dockerfile")
    content = b"FROM python:3.12-slim\n"
    done = {"upload_status": "completed"}
    uploads.put_blob(lab, name, [content], length=len(content), user=ann, metadata=done)

    def act(number: int) -> None:
        if number % 2:
            sweep_uploads(grace_seconds=30)
            return
        folder = WithContext({}, "context", uploaded_folder(lab, "LocalUpload/abc/context"))
        given = read_beside("build: {path: context}", "environment.yml", folder)
        assert given.reading.definition is not None
        save_version(lab, f"forecast-{number}", given.reading.definition, user=ann)

    assert at_once(act) == [""] * MANY
    for environment in lab.environments.all():
        latest = environment.latest()
        assert latest is not None
        assert latest.definition.context is not None
