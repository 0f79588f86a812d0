"""Layers that go to a registry while others are still made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.publish.ahead import pushing_ahead
from builds.imaging.publish.push import push
from builds.imaging.reporting import Cancelled
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel
from tests.services.servers.registry import Registry


def image_of(workshop: Workshop, folder: Path) -> AssembledImage:
    lock, fetched = locked(make_wheel(folder))
    return assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder())


def target_in(registry: Registry, folder: Path) -> str:
    return f"{registry.address}/ahead/{folder.name.replace('_', '-')}:1"


def test_the_push_meets_the_layers_that_were_sent_ahead(
    workshop: Workshop, tmp_path: Path, registry: Registry
) -> None:
    target, reporter = target_in(registry, tmp_path), Recorder()

    with pushing_ahead(target, {}, workshop, reporter) as ready:
        image = image_of(replace(workshop, layers_ready=ready, bytecode="imported"), tmp_path)
    pushed = push(image.descriptor, target, workshop, Recorder())

    assert "while others were made" in reporter.log
    # The skeleton is complete only with the image: it and the config follow, and bytecode that was not begun.
    assert pushed.present >= 1
    assert pushed.present + pushed.sent == 4


def test_layers_of_bytecode_are_handed_over_too(workshop: Workshop, tmp_path: Path) -> None:
    handed: list[Descriptor] = []

    image = image_of(replace(workshop, layers_ready=handed.extend, bytecode="imported"), tmp_path)

    # Below is the skeleton, which is complete only with the image.
    _, wheel, bytecode = image.layers
    assert handed == [wheel, bytecode]


def test_a_registry_that_is_away_fails_the_push_and_nothing_before_it(
    workshop: Workshop, tmp_path: Path
) -> None:
    target = "127.0.0.1:9/ahead/nobody:1"

    with pushing_ahead(target, {}, workshop, Recorder()) as ready:
        image = image_of(workshop, tmp_path)
        ready(image.layers)

    assert image.digest


def test_a_block_that_fails_ends_what_is_under_way(
    workshop: Workshop, tmp_path: Path, registry: Registry
) -> None:
    target = target_in(registry, tmp_path)
    image = image_of(workshop, tmp_path)

    def cancelled() -> None:
        with pushing_ahead(target, {}, workshop, Recorder()) as ready:
            ready(image.layers)
            raise Cancelled

    with pytest.raises(Cancelled):
        cancelled()

    repository = target.partition("/")[2].rpartition(":")[0]
    assert httpx.get(f"{registry.url}/v2/{repository}/manifests/1", trust_env=False).status_code == 404
