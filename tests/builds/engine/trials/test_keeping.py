"""Tested images stay in a real engine, within limits, and the next is given without the layers that it has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from pytest_django.fixtures import Settings

from builds.engine.trials import keeping
from builds.engine.trials.importing import Imported, import_in, imported_in
from builds.engine.trials.loading import loaded
from builds.imaging.bases.model import Base
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from builds.worker.platforms.index import PYTHON
from tests.builds.engine.test_engine import Listener
from tests.builds.worker.test_trial import kept_in, made_of
from tests.services.fixtures import HostWorkshop
from tests.services.servers.docker_engine import DockerEngine


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, host_workshop: HostWorkshop) -> Workshop:
    return host_workshop(tmp_path_factory.mktemp("keeping"))


@pytest.fixture(scope="module")
def image(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Base:
    return made_of({"good": {"good.py": ""}}, workshop, tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def neighbour(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """Another image on the same Python."""
    return made_of({"near": {"near.py": ""}}, workshop, tmp_path_factory.mktemp("wheels"))


@pytest.fixture(autouse=True)
def no_tested_images(docker_engine: DockerEngine) -> Iterator[None]:
    yield
    take_tested_images_back(docker_engine)


@pytest.fixture(params=["docker_engine", "containerd_engine"])
def engine(request: pytest.FixtureRequest) -> Iterator[DockerEngine]:
    """An engine that keeps layers unpacked, by their chains, and one that keeps them as they came, by their digests."""
    engine: DockerEngine = request.getfixturevalue(request.param)
    yield engine
    take_tested_images_back(engine)


def take_tested_images_back(engine: DockerEngine) -> None:
    assert engine.containers() == []
    for name in kept_in(engine):
        engine.client.images.remove(name)


def import_good(image: Base, names: list[str], workshop: Workshop, engine: DockerEngine) -> Imported:
    return import_in(image.digest, PYTHON, names, workshop.store, Quiet(), docker_host=engine.host)


class Lines(Listener):
    """A reporter that keeps the lines about what the engine was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[str] = []

    def line(self, text: str) -> None:
        if text.startswith("Giving"):
            self.given.append(text)


def test_the_next_image_is_given_without_the_layers_that_the_engine_has(
    engine: DockerEngine, image: Base, neighbour: Base, workshop: Workshop
) -> None:
    host, lines = engine.host, Lines()
    import_good(image, ["good"], workshop, engine)

    outcome = import_in(neighbour.digest, PYTHON, ["near"], workshop.store, lines, docker_host=host)
    again = import_in(image.digest, PYTHON, ["good"], workshop.store, lines, docker_host=host)

    (given,) = lines.given
    assert given.startswith("Giving the image to the Docker Engine: 0.0 MB of ")
    assert (outcome.modules, again.modules) == (1, 1)
    assert len(kept_in(engine)) == 2


@pytest.mark.parametrize(("room", "left"), [(0, 0), (1, 1)])
def test_tested_images_go_for_want_of_room_and_the_newest_stays(
    docker_engine: DockerEngine,
    image: Base,
    neighbour: Base,
    workshop: Workshop,
    settings: Settings,
    room: int,
    left: int,
) -> None:
    import_good(image, ["good"], workshop, docker_engine)  # as a worker leaves it that is killed

    settings.TESTED_IMAGES = room
    with loaded(neighbour.digest, workshop.store, Quiet(), docker_host=docker_engine.host) as used:
        import_good(image, ["good"], workshop, docker_engine)  # makes room, but not where an image is in use
        assert imported_in(used, PYTHON, ["near"], Quiet()).modules == 1

    assert len(kept_in(docker_engine)) == left


def test_an_engine_that_lacks_what_it_seemed_to_have_is_given_the_whole_image(
    engine: DockerEngine, image: Base, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines()
    layers = {layer.digest for layer in image.layers}
    for look in ("_layers_there", "_blobs_there"):
        monkeypatch.setattr(keeping, look, lambda *_: layers)

    with loaded(image.digest, workshop.store, lines, docker_host=engine.host) as started:
        first = imported_in(started, PYTHON, ["good"], lines)  # containerd notices only now
        engine.client.images.remove(started.name)  # as another worker that makes room
        second = imported_in(started, PYTHON, ["good"], lines)

    assert (first.modules, second.modules) == (1, 1)
    assert [" MB of " in line for line in lines.given] == [True, False, False]


@pytest.mark.parametrize("room", [0, 10 * 1024**3])
def test_several_tests_at_once_share_an_engine_and_none_takes_the_image_of_another(
    docker_engine: DockerEngine,
    image: Base,
    neighbour: Base,
    workshop: Workshop,
    settings: Settings,
    room: int,
) -> None:
    settings.TESTED_IMAGES = room
    together = Barrier(4)

    def work(number: int) -> Imported:
        mine, names = ((image, ["good"]), (neighbour, ["near"]))[number % 2]
        together.wait(60)
        return import_good(mine, names, workshop, docker_engine)

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(work, range(4)))

    assert [(outcome.modules, outcome.problems) for outcome in outcomes] == [(1, [])] * 4
    assert len(kept_in(docker_engine)) == (2 if room else 0)
