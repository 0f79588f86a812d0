"""A worker that is killed at any moment leaves each image old or new, and another goes on where it stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connections

from builds.imaging.oci.index import image_of
from builds.models import Image, Rebase, RebaseState
from builds.queue import rebases
from builds.rebase import batches, running
from builds.rebase.working import run_waiting_rebases
from builds.worker.publish import push_missing_tags
from builds.worker.steps import make_workshop
from environments.models import Workspace
from tests.builds.rebase.making import assemble_version, push_base, save_version, store
from tests.builds.rebase.test_rebasing import digest_in, in_registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]

IMAGES = 3
MOMENTS = ["save_successors", "record_batch", "finish_names", "move_names"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_leaves_each_image_old_or_new_and_the_next_worker_completes_it(
    own_store: Path, team: str, wheel: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = in_registry(team)
    push_base(own_store, f"{team}/base/python:3.11")
    for number in range(IMAGES):
        version = save_version(f"{team}/base/python:3.11", name=f"e{number}", pip=f"shop>=0.{number}")
        assemble_version(version, wheel)
    push_missing_tags(lambda logins: make_workshop(logins=logins))
    old = {image.hash: image.digest for image in Image.objects.all()}
    push_base(own_store, f"{team}/base/python:3.11", note="second")
    base = Image.objects.all()[0].base
    job = rebases.request_plan(lab, base, base, None, start=True)
    monkeypatch.setattr("builds.rebase.planning.BATCH", 2)

    killed_at(moment, job)

    assert_old_or_new(lab, old)
    running_job = Rebase.objects.get(pk=job.pk)
    rebases.release([running_job])
    run_waiting_rebases()
    running_job.refresh_from_db()
    assert running_job.state == RebaseState.DONE
    assert running_job.images.filter(fate="rebased", named=True).count() == IMAGES
    assert Image.objects.filter(current=True).count() == IMAGES
    for image in Image.objects.filter(current=True):
        assert image.digest != old[image.hash]
        assert image.pushed_to
        assert digest_in(lab, image.repository, "latest") == image.digest
        assert digest_in(lab, image.repository, old[image.hash]) == old[image.hash]
        assert store().find(f"{image.name}:latest").digest == image.digest  # type: ignore[union-attr]


def killed_at(moment: str, job: Rebase) -> None:
    """Run a rebase in a process that is killed when it comes to a function the second time, or the first of few."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            setattr(batches, moment, dying(getattr(batches, moment)))
            claimed = rebases.claim_one(job.pk)
            assert claimed is not None
            running.run_claimed(claimed)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def dying(function: Callable[..., object]) -> Callable[..., object]:
    """Return a function that does its work the first time, and kills the process the second time."""
    calls = []

    def wrapped(*args: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **named)

    return wrapped


def assert_old_or_new(lab: Workspace, old: dict[str, str]) -> None:
    """Each image's row, names and files belong to one image, which is whole."""
    for image in Image.objects.filter(workspace=lab):
        assert store().whole(image_of(store(), image.digest))
    for image in Image.objects.filter(workspace=lab, current=True):
        named = store().find(f"{image.name}:latest")
        assert named is not None
        assert named.digest in (old[image.hash], image.digest)
        in_there = digest_in(lab, image.repository, "latest")
        assert in_there in (old[image.hash], image.digest)
        if image.pushed_to:
            assert in_there == image.digest
    assert Image.objects.filter(workspace=lab, current=True).count() == IMAGES
