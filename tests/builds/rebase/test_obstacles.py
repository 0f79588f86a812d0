"""Images that may not be rebased stay as they are, with the reason; a build is requested where that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builds.imaging.reporting import ImageError
from builds.models import Build, Image, Rebase, RebasedImage, RebaseState
from builds.models.rebases import Fate
from builds.queue import rebases
from builds.rebase.single import rebase
from builds.rebase.working import run_waiting_rebases
from environments.models import Event, Notice, Role
from tests.builds.rebase.making import assemble_version, push_base, save_version
from tests.builds.scenarios import person, workspace_named

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]


@pytest.fixture
def image(own_store: Path, team: str, wheel: Path) -> Image:
    push_base(own_store, f"{team}/python:3.11")
    return assemble_version(save_version(f"{team}/python:3.11"), wheel)


def refusal(image: Image, target: str = "") -> str:
    with pytest.raises(ImageError) as refused:
        rebase(image, target)
    image.refresh_from_db()
    assert image.current
    assert Image.objects.count() == 1
    return refused.value.code


def test_another_python_libc_or_what_was_compiled_for_the_base_is_refused(
    own_store: Path, team: str, image: Image
) -> None:
    new = f"{team}/python:new"
    push_base(own_store, new, python="3.12.1")
    assert refusal(image, new) == "python"
    push_base(own_store, new, libc="2.31", note="second")
    lock: Any = image.lock
    lock["packages"][0]["filename"] = "shop-1.0-cp311-cp311-manylinux_2_34_x86_64.whl"
    Image.objects.update(lock=lock)
    image.refresh_from_db()
    assert refusal(image, new) == "glibc"
    lock["packages"][0]["filename"] = "shop-1.0-cp311-cp311-manylinux_2_28_x86_64.manylinux_2_34_x86_64.whl"
    lock["packages"][0]["kind"] = "sdist"
    Image.objects.update(lock=lock)
    image.refresh_from_db()
    assert refusal(image, new) == "sources"
    lock["packages"][0]["kind"] = "wheel"
    Image.objects.update(lock=lock, bytecode={"provider": "base"})
    image.refresh_from_db()
    assert refusal(image, new) == "compiled"
    Image.objects.update(bytecode=None)
    image.refresh_from_db()
    assert rebase(image, new).base == new  # an older C library is new enough for these wheels


def test_a_definition_that_follows_a_tag_or_pins_a_digest_keeps_its_base(
    own_store: Path, team: str, wheel: Path
) -> None:
    digest = push_base(own_store, f"{team}/python:latest")
    push_base(own_store, f"{team}/python:new", note="second")
    follows = assemble_version(save_version(f"{team}/python"), wheel)
    assert refusal(follows, f"{team}/python:new") == "floating"
    Image.objects.all().delete()
    pins = assemble_version(save_version(f"{team}/python@{digest}", name="pins"), wheel)
    assert refusal(pins, f"{team}/python:new") == "pinned"


def test_a_base_that_is_nowhere_and_an_image_without_its_files_are_refused(
    own_store: Path, team: str, image: Image
) -> None:
    assert refusal(image, f"{team}/nothing:1") == "base-not-found"
    push_base(own_store, f"{team}/python:3.11", note="second")
    (own_store / "store/blobs/sha256" / image.digest.removeprefix("sha256:")).unlink()
    assert refusal(image) == "unreadable"


def test_a_requested_rebase_is_planned_run_recorded_and_announced_and_the_others_are_built(
    own_store: Path, team: str, wheel: Path, image: Image
) -> None:
    ann = person("ann", lab=Role.OWNER)
    person("olga", lab=Role.OWNER)
    lab = workspace_named("lab")
    source = assemble_version(save_version(f"{team}/python:3.11", name="source", pip="shop<3"), wheel)
    lock: Any = source.lock
    lock["packages"][0]["kind"] = "sdist"
    Image.objects.filter(pk=source.pk).update(lock=lock)
    push_base(own_store, f"{team}/python:3.11", note="second")
    before = Build.objects.count()
    job = rebases.request_plan(lab, image.base, image.base, ann)

    run_waiting_rebases()

    job.refresh_from_db()
    assert (job.state, job.claim) == (RebaseState.READY, None)
    assert sorted(job.images.values_list("fate", "reason_code")) == [("rebase", ""), ("rebuild", "sources")]
    assert Image.objects.filter(current=True).count() == 2 == Image.objects.count()

    rebases.start(job, ann, rebuild=True)
    run_waiting_rebases()

    job.refresh_from_db()
    assert job.state == RebaseState.DONE
    assert sorted(job.images.values_list("fate", flat=True)) == ["rebased", "rebuilding"]
    assert Build.objects.count() == before + 1
    verbs = (
        Event.objects.filter(verb__startswith="rebase.").order_by("pk").values_list("verb", "actor__username")
    )
    assert list(verbs) == [(f"rebase.{verb}", "ann") for verb in ("planned", "started", "rebased")]
    notices = dict(Notice.objects.filter(kind="rebase").values_list("user__username", "subject"))
    assert notices == {
        "ann": f"Rebase of {image.base}: done",
        "olga": f"1 image in Lab rebased on {image.base}",
    }
    again = rebases.request_plan(lab, image.base, image.base, ann)
    run_waiting_rebases()
    assert list(again.images.values_list("fate", flat=True)) == ["rebuild"]  # the other is on it already


def test_a_cancelled_rebase_changes_nothing_more(own_store: Path, team: str, image: Image) -> None:
    push_base(own_store, f"{team}/python:3.11", note="second")
    job = rebases.request_plan(image.workspace, image.base, image.base, None, start=True)
    claimed = rebases.claim_one(job.pk)
    assert claimed is not None
    rebases.cancel(job, None)
    from builds.rebase.running import run_claimed

    run_claimed(claimed)

    job.refresh_from_db()
    assert job.state == RebaseState.CANCELLED
    assert not RebasedImage.objects.filter(fate=Fate.REBASED).exists()
    assert Rebase.objects.count() == 1
    with pytest.raises(Exception, match="ended already"):
        rebases.cancel(job, None)
