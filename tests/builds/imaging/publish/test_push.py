"""Pushing to a real registry: what is there is not sent, and what is sent can be pulled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builds.images import AssembledImage, Cancelled, ImageError, ImageSettings, Workshop, assemble, push
from environments.logins import Login, Logins
from tests.images.conftest import Recorder
from tests.images.making import empty_base, locked, make_wheel
from tests.services.registry import Registry


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
    assert (more.sent, more.present) == (2, len(second.layers) - 1)
    assert (same.sent, same.present) == (0, len(second.layers) + 1)
    assert reporter.steps[-1][0] == reporter.steps[-1][1]
    assert registry.tags(target.partition("/")[2]) == ["a", "b", "c"]


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


def test_a_login_is_used_where_one_is_wanted(
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


def test_a_registry_that_is_not_there_is_said_to_be(workshop: Workshop, tmp_path: Path) -> None:
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
