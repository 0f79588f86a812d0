"""Pushing to a real registry: what is there is not sent, and what is sent can be pulled."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble, indexed
from builds.imaging.bases.pull import registry_bases
from builds.imaging.oci.index import blobs_of
from builds.imaging.publish.push import push
from builds.imaging.registry_client import ATTEMPTS
from builds.imaging.reporting import Cancelled, ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel
from tests.services.servers.failing_registry import FailingRegistry, Fault
from tests.services.servers.registry import Registry


def image_of(workshop: Workshop, folder: Path, *names: str) -> AssembledImage:
    wheels = [make_wheel(folder, name, files={f"{name}.py": f"# {folder.name} {name}\n"}) for name in names]
    lock, fetched = locked(*wheels)
    return assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder())


def test_only_what_is_missing_is_sent(workshop: Workshop, tmp_path: Path, registry: Registry) -> None:
    first = image_of(workshop, tmp_path, "one", "two")
    second = image_of(workshop, tmp_path, "one", "two", "three")
    target = f"{registry.address}/push/{tmp_path.name.replace('_', '-')}"
    reporter = Recorder()

    fresh = push(first.descriptor, f"{target}:a", workshop, reporter)
    more = push(second.descriptor, f"{target}:b", workshop, Recorder())
    same = push(second.descriptor, f"{target}:c", workshop, Recorder())

    # Nobody knows which other tests have left their skeleton: blobs belong to one repository each.
    assert (fresh.sent, fresh.present) == (len(first.layers) + 1, 0)
    # Its layer, that of its bytecode, and the config.
    assert (more.sent, more.present) == (3, len(second.layers) - 2)
    assert (same.sent, same.present) == (0, len(second.layers) + 1)
    assert reporter.steps[-1][0] == reporter.steps[-1][1]
    assert registry.tags(target.partition("/")[2]) == ["a", "b", "c"]


def test_an_index_is_pushed_after_its_manifests_and_only_what_is_missing(
    workshop: Workshop, tmp_path: Path, registry: Registry
) -> None:
    first, second = image_of(workshop, tmp_path, "one"), image_of(workshop, tmp_path, "one", "two")
    index = indexed({"": first, "other": second}, workshop)
    name = f"push/index-{tmp_path.name.replace('_', '-')}"
    blobs = {blob.digest for blob in blobs_of(workshop.store, index.descriptor)}

    push(first.descriptor, f"{registry.address}/{name}:one", workshop, Recorder())
    more = push(index.descriptor, f"{registry.address}/{name}:both", workshop, Recorder())
    same = push(index.descriptor, f"{registry.address}/{name}:again", workshop, Recorder())
    reference = f"{registry.address}/{name}:both"
    pulled = registry_bases(reference, workshop, Recorder(), platforms=["linux/amd64"]).first

    assert more.sent + more.mounted == len(blobs) - len(first.layers) - 1
    assert (same.sent_bytes, same.present) == (0, len(blobs))
    assert registry.tags(name) == ["again", "both", "one"]
    assert pulled.digest == first.digest


def test_blobs_of_another_repository_are_mounted(
    workshop: Workshop, tmp_path: Path, registry: Registry
) -> None:
    image = image_of(workshop, tmp_path, "one", "two")
    base = f"push/base-{tmp_path.name.replace('_', '-')}"
    push(image.descriptor, f"{registry.address}/{base}:1", workshop, Recorder())
    blobs = (*image.layers, image.config)

    pushed = push(
        image.descriptor,
        f"{registry.address}/{base}-copy:1",
        workshop,
        Recorder(),
        origins={blob.digest: base for blob in blobs},
    )

    assert (pushed.sent_bytes, pushed.sent, pushed.mounted) == (0, 0, len(blobs))


def test_a_login_is_used_for_a_registry_that_requires_it(
    workshop: Workshop, tmp_path: Path, private_registry: Registry
) -> None:
    image = image_of(workshop, tmp_path, "one")
    target = f"{private_registry.address}/team/image:1"
    known = Login("registry", private_registry.url, private_registry.user, private_registry.password)

    with pytest.raises(ImageError) as refused:
        push(image.descriptor, target, workshop, Recorder())
    pushed = push(image.descriptor, target, replace(workshop, logins=Logins([known])), Recorder())

    assert refused.value.code == "registry-refused"
    assert pushed.sent > 0
    assert private_registry.tags("team/image") == ["1"]


def test_an_unreachable_registry_is_reported(workshop: Workshop, tmp_path: Path) -> None:
    image = image_of(workshop, tmp_path, "one")

    with pytest.raises(ImageError) as silent:
        push(image.descriptor, "127.0.0.1:1/team/image:1", workshop, Recorder())
    assert (silent.value.code, silent.value.fault) == ("registry-unreachable", "outside")


def test_a_cancelled_push_gives_no_tag(workshop: Workshop, tmp_path: Path, registry: Registry) -> None:
    class CancelledAtOnce(Recorder):
        def check(self) -> None:
            raise Cancelled

    image = image_of(workshop, tmp_path, "one")

    with pytest.raises(Cancelled):
        push(image.descriptor, f"{registry.address}/push/cancelled:1", workshop, CancelledAtOnce())
    assert registry.tags("push/cancelled") == []


@pytest.mark.parametrize("fault", ["503", "broken connection"])
def test_a_manifest_that_is_refused_once_is_sent_again(
    workshop: Workshop, tmp_path: Path, registry: Registry, fault: Fault
) -> None:
    image = image_of(workshop, tmp_path, "one")
    name = f"push/once-{fault.replace(' ', '-')}"

    with FailingRegistry(registry, fault, times=1).running() as failing:
        pushed = push(image.descriptor, f"{failing.address}/{name}:1", workshop, Recorder())

    assert (failing.refused, pushed.sent) == (1, len(image.layers) + 1)
    assert registry.tags(name) == ["1"]


def test_a_manifest_that_is_always_refused_fails_the_push_and_cancels_nothing(
    workshop: Workshop, tmp_path: Path, registry: Registry
) -> None:
    image = image_of(workshop, tmp_path, "one")

    with (
        FailingRegistry(registry, "503", times=100).running() as failing,
        pytest.raises(ImageError) as refused,
    ):
        push(image.descriptor, f"{failing.address}/push/never:1", workshop, Recorder())

    assert (refused.value.code, refused.value.fault) == ("registry-unreachable", "outside")
    assert "503" in refused.value.message
    assert failing.refused == ATTEMPTS
    assert registry.tags("push/never") == []


def test_a_push_that_is_cancelled_while_the_manifest_is_refused_does_not_send_it_again(
    workshop: Workshop, tmp_path: Path, registry: Registry
) -> None:
    image = image_of(workshop, tmp_path, "one")

    class CancelledByThen(Recorder):
        def check(self) -> None:
            if failing.has_refused.is_set():
                raise Cancelled

    with FailingRegistry(registry, "503", times=1).running() as failing:
        with pytest.raises(Cancelled):
            push(image.descriptor, f"{failing.address}/push/given-up:1", workshop, CancelledByThen())
        for thread in threading.enumerate():
            if thread.name.startswith("interruptible"):
                thread.join(30)

    assert failing.refused == 1
    assert registry.tags("push/given-up") == []
