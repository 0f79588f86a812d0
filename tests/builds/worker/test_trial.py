"""Trials in a real engine: requested packages are imported within limits, and nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from builds.engine.connection import TESTED, Engine, name_of
from builds.engine.trials import keeping
from builds.engine.trials.command import command_in
from builds.engine.trials.importing import Imported, import_in
from builds.engine.trials.loading import loaded
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.derived import as_base
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.index import image_of, listed, put_index
from builds.imaging.oci.manifest import OCI_CONFIG, OCI_MANIFEST
from builds.imaging.reporting import Cancelled, ImageError, Quiet
from builds.imaging.workshop import Workshop
from builds.models import Build, Image
from builds.models.healing import HealItem, HealState
from builds.models.trial import SmokeTest, Trial, TrialState
from builds.worker.platforms.index import PYTHON
from builds.worker.proving.testing import check_image
from builds.worker.reconciler import Reconciler
from builds.worker.reporter import BuildReporter
from builds.worker.trial import run_waiting_trials
from environments.catalogue.proposals import propose
from environments.definition import read
from environments.models import Role, Version
from environments.versions.service import save_reading
from tests.builds.distribution import store_image
from tests.builds.engine.test_engine import Listener
from tests.builds.healing.examples import heal_item
from tests.builds.imaging.making import locked, make_wheel
from tests.builds.scenarios import (
    browser_of,
    claim_build,
    image_for,
    person,
    queue_build,
    save_text,
    workspace_named,
)
from tests.services.fixtures import HostWorkshop
from tests.services.servers.docker_engine import DockerEngine

NETWORK = """
import socket
try:
    socket.create_connection(("1.1.1.1", 53), 3)
except OSError as error:
    raise RuntimeError("no network") from error
"""
WHERE = """
import os
open("/tmp/there", "w").close()
try:
    open("/opt/env/written", "w")
except OSError as error:
    raise RuntimeError(f"{os.getuid()} {os.environ['HOME']} {error.strerror}")
"""
THREADS = """
import threading
wait = threading.Event()
for _ in range(2000):
    threading.Thread(target=wait.wait, daemon=True).start()
"""
MODULES = {
    "good": "",
    "noisy": "print('x' * 100_000, flush=True)",
    "broken": "import nothing_of_that_name",
    "network": NETWORK,
    "where": WHERE,
    "threads": THREADS,
    "hungry": "x = bytearray(2 * 1024**3)",
    "hangs": "import time\nwhile True: time.sleep(9)",
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, host_workshop: HostWorkshop) -> Workshop:
    return host_workshop(tmp_path_factory.mktemp("trying"))


@pytest.fixture(scope="module")
def image(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """An image on this machine's Python that holds a distribution of each kind, and one without a module."""
    bodies: Mapping[str, dict[str, str | bytes]] = {
        **{name: {f"{name}.py": body} for name, body in MODULES.items()},
        "types_only": {"types_only-stubs/__init__.pyi": ""},
    }
    return made_of(bodies, workshop, tmp_path_factory.mktemp("wheels"))


def made_of(bodies: Mapping[str, dict[str, str | bytes]], workshop: Workshop, folder: Path) -> Base:
    lock, fetched = locked(*(make_wheel(folder, name, files=files) for name, files in bodies.items()))
    base = find_base("host", workshop, Quiet())
    lock = lock.model_copy(update={"python": base.probe.version, "base_digest": base.digest})
    made = assemble(base, lock, fetched, ImageSettings(), workshop, Quiet())
    return as_base(made, base, lock, workshop)


@pytest.fixture(scope="module")
def kept(docker_engine: DockerEngine, image: Base) -> Iterator[str]:
    """The name of the image in the engine, where it stays from one test to the next, as from build to build."""
    name = name_of(image, TESTED)
    yield name
    if name in kept_in(docker_engine):
        docker_engine.client.images.remove(name)


@pytest.fixture(autouse=True)
def nothing_left(docker_engine: DockerEngine, kept: str) -> Iterator[None]:
    """Hold up that a trial leaves no container in the engine, and no images but tested ones."""

    def others() -> set[str]:
        images = docker_engine.client.images.list(all=True)
        return {str(image.id) for image in images if kept not in image.tags}

    before = others()
    yield
    assert docker_engine.containers() == []
    for name in kept_in(docker_engine):
        if name != kept:
            docker_engine.client.images.remove(name)
    assert others() == before


def kept_in(engine: DockerEngine) -> list[str]:
    return [name for image in engine.client.images.list(TESTED) for name in image.tags]


def tried(image: Base, names: Sequence[str], workshop: Workshop, engine: DockerEngine) -> Imported:
    return import_in(image.digest, PYTHON, names, workshop.store, Quiet(), docker_host=engine.host)


def test_requested_packages_are_imported_and_failures_are_reported_with_their_errors(
    docker_engine: DockerEngine, image: Base, workshop: Workshop, settings: Settings
) -> None:
    settings.TRIAL_MEMORY = 256 * 1024**2
    settings.TRIAL_SECONDS = 20

    names = ["broken", "gone", "good", "hungry", "network", "noisy", "threads", "types-only", "where"]
    outcome = tried(image, names, workshop, docker_engine)

    errors = {problem.package: problem.error for problem in outcome.problems}
    assert errors == {
        "gone": "It is not installed.",
        "broken": "ModuleNotFoundError: No module named 'nothing_of_that_name'",
        "hungry": errors["hungry"],
        "network": "RuntimeError: no network",
        "threads": "RuntimeError: can't start new thread",
        "where": "RuntimeError: 0 /tmp Read-only file system",
    }
    assert "memory" in errors["hungry"].lower()
    assert (outcome.modules, outcome.skipped, outcome.unreached) == (2, ["types-only"], 0)
    assert outcome.python.startswith("3.")


def test_of_an_index_the_manifest_for_the_engines_machine_is_tried(
    docker_engine: DockerEngine, image: Base, workshop: Workshop
) -> None:
    store = workshop.store
    other = store_image(store, b"for another machine", architecture="s390x")
    own = image_of(store, image.digest)
    index = put_index(store, [listed(store, other), listed(store, own)])
    foreign = put_index(store, [listed(store, other)])

    outcome = import_in(index.digest, PYTHON, ["good"], store, Quiet(), docker_host=docker_engine.host)
    with pytest.raises(ImageError, match="made for s390x, and the Docker Engine runs on amd64"):
        import_in(foreign.digest, PYTHON, ["good"], store, Quiet(), docker_host=docker_engine.host)

    assert (outcome.modules, outcome.problems) == (1, [])


def test_an_import_that_hangs_is_ended_and_named(
    docker_engine: DockerEngine, image: Base, workshop: Workshop, settings: Settings
) -> None:
    settings.TRIAL_SECONDS = 3
    outcome = tried(image, ["good", "hangs", "noisy"], workshop, docker_engine)
    assert [(p.module, p.error) for p in outcome.problems] == [("hangs", "It did not end within 3 seconds.")]
    assert (outcome.modules, outcome.unreached) == (1, 1)


def test_a_python_that_is_not_there_is_a_problem_of_the_image(
    docker_engine: DockerEngine, image: Base, workshop: Workshop
) -> None:
    outcome = import_in(
        image.digest, "/no/python", [], workshop.store, Quiet(), docker_host=docker_engine.host
    )
    (problem,) = outcome.problems
    assert problem.error.startswith("/no/python cannot be started: ")


def test_an_image_for_another_machine_is_not_tried(
    docker_engine: DockerEngine, image: Base, workshop: Workshop
) -> None:
    """It would fail for no fault of its own."""
    store = workshop.store
    config = store.put(json.dumps({**image.config, "architecture": "s390x"}).encode(), OCI_CONFIG)
    manifest = json.loads(store.read(image.digest)) | {"config": config.to_json()}
    other = store.put(json.dumps(manifest).encode(), OCI_MANIFEST)
    with pytest.raises(ImageError, match="made for s390x"):
        import_in(other.digest, PYTHON, [], store, Quiet(), docker_host=docker_engine.host)


def test_a_trial_that_is_broken_off_leaves_nothing_and_one_of_a_dead_worker_goes_with_the_next(
    docker_engine: DockerEngine, image: Base, workshop: Workshop
) -> None:
    class Leaving(Listener):
        def check(self) -> None:
            if docker_engine.containers(ended=False):
                raise Cancelled

    with pytest.raises(Cancelled):
        import_in(image.digest, PYTHON, ["hangs"], workshop.store, Leaving(), docker_host=docker_engine.host)
    assert docker_engine.containers() == []

    with Engine.at(docker_engine.host) as engine:  # what a killed worker leaves
        keeping.give(engine, image, workshop.store, Quiet())
        left = name_of(image, TESTED)
        labels = {"io.environment-studio.from": f"trial {image.digest}"}
        docker_engine.client.containers.run(left, ["-c", "while :; do sleep 9; done"], entrypoint="/bin/sh",
                                            detach=True, labels=labels)  # fmt: skip
    assert tried(image, ["good"], workshop, docker_engine).modules == 1


@pytest.mark.django_db
def test_from_a_proposal_to_what_its_reviewer_sees(
    docker_engine: DockerEngine, image: Base, workshop: Workshop, settings: Settings
) -> None:
    settings.STORE, settings.DOCKER_HOST = workshop.cache.parent / "store", docker_engine.host
    olga = person("olga", lab=Role.CONTRIBUTOR)
    version = save_text("good\nbroken\n", user=olga)
    row = image_for(version)
    lock: dict[str, Any] = row.lock or {}
    packages = [lock["packages"][0] | {"name": name} for name in ("good", "broken")]
    Image.objects.update(digest=image.digest, lock=lock | {"packages": packages})
    proposal = propose(version, olga, name="AzureML-x", as_new=True, comment="It works.")
    Reconciler().reconcile()

    run_waiting_trials()

    trial = Trial.objects.get()
    assert (trial.state, trial.imported) == (TrialState.FAILED, 1)
    assert [problem["module"] for problem in trial.problems] == ["broken"]
    cora = browser_of(person("cora", curated=Role.CONTRIBUTOR))
    page = cora.get(f"/w/curated/proposals/{proposal.pk}/").content.decode()
    assert "No module named &#x27;nothing_of_that_name&#x27;" in page


@pytest.mark.parametrize(
    ("command", "passed", "ending", "output"),
    [
        ("python -c 'import good; print(1 + 1)'", True, "It succeeded.", "2"),
        ("echo before; exit 3", False, "It ended with exit code 3.", "before"),
        ("python -c 'import network'", False, "It ended with exit code 1.", "RuntimeError: no network"),
        ("echo x > /opt/env/x", False, "It ended with exit code 2.", "Read-only file system"),
        ("sleep 60", False, "It did not end within 2 seconds.", ""),
        (
            "python -c \"print(('x' * 900 + chr(10)) * 10000)\"",
            False,
            "It wrote more than 2,000,000 characters.",
            "xxx",
        ),
        ("env | grep -i secret || echo none", True, "It succeeded.", "none"),
    ],
)
def test_a_command_runs_within_limits_and_its_end_is_kept(
    docker_engine: DockerEngine,
    image: Base,
    workshop: Workshop,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    passed: bool,
    ending: str,
    output: str,
) -> None:
    monkeypatch.setenv("SECRET_KEY", "a secret of the worker")
    settings.TRIAL_SECONDS = 2 if "sleep" in command else 60

    with loaded(image.digest, workshop.store, Quiet(), docker_host=docker_engine.host) as started:
        ran = command_in(started, command, Quiet())

    assert (ran.passed, ran.ending) == (passed, ending)
    assert output in ran.output
    assert len(ran.output) <= 4_000


@pytest.mark.django_db
def test_a_build_tests_its_image_once_and_a_smoke_test_that_fails_ends_it(
    docker_engine: DockerEngine, image: Base, workshop: Workshop, settings: Settings
) -> None:
    settings.DOCKER_HOST, settings.IMPORT_TEST = docker_engine.host, "on"
    lock = locked_names("good", "broken")
    row = {"digest": image.digest, "interpreter": PYTHON, "lock": lock.model_dump(mode="json")}
    version = save_v2(
        'image: host\nconda_file: {dependencies: [pip: [good]]}\nsmoke_test: "echo well; false"\n'
    )
    with claim_build(queue_build(version)) as (_, reporter):
        build = Build.objects.get()
        with pytest.raises(ImageError, match="The smoke test failed") as failure:
            check_image(build, row, workshop.store, reporter)
        lines = written(reporter)
        version.data |= {"smoke_test": ""}
        build.version = version
        check_image(build, row, workshop.store, reporter)
        again = written(reporter)[len(lines) :]

    assert failure.value.code == "smoke-test-failed"
    assert failure.value.detail == "well"
    assert (
        "Warning: broken can't be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'"
        in lines
    )
    assert again == ["Import test: failed before, with the same image."]
    assert Trial.objects.get().state == TrialState.FAILED


@pytest.mark.django_db
def test_a_healed_image_is_tested_in_its_build_whereas_others_wait(
    docker_engine: DockerEngine, image: Base, workshop: Workshop, settings: Settings
) -> None:
    settings.DOCKER_HOST, settings.IMPORT_TEST = docker_engine.host, "after"
    lock = locked_names("good").model_dump(mode="json")
    row = {"digest": image.digest, "interpreter": PYTHON, "lock": lock}
    version = save_text("good==1.0\n")
    with claim_build(queue_build(version)) as (_, reporter):
        build = Build.objects.get()
        check_image(build, row, workshop.store, reporter)
        item = heal_item(version, HealState.BUILDING)
        HealItem.objects.filter(pk=item.pk).update(build=build)
        check_image(build, row, workshop.store, reporter)
        lines = written(reporter)

    assert lines[0] == "Import test: follows once the image is ready."
    assert lines[-1] == "Import test: 1 module imported."
    assert Trial.objects.get().state == TrialState.PASSED


@pytest.mark.django_db
def test_without_an_engine_a_build_says_that_nothing_was_tested(
    image: Base, workshop: Workshop, settings: Settings
) -> None:
    settings.DOCKER_HOST, settings.IMPORT_TEST = "unix:///nowhere.sock", "on"
    row = {
        "digest": image.digest,
        "interpreter": PYTHON,
        "lock": locked_names("good").model_dump(mode="json"),
    }
    version = save_v2('image: host\nconda_file: {dependencies: [pip: [good]]}\nsmoke_test: "true"\n')
    with claim_build(queue_build(version)) as (_, reporter):
        check_image(Build.objects.get(), row, workshop.store, reporter)
        lines = written(reporter)

    assert Trial.objects.get().state == SmokeTest.objects.get().state == TrialState.UNTRIED
    assert (
        "Import test: not run. No Docker Engine can be reached, so the image could not be started." in lines
    )


def written(reporter: BuildReporter) -> list[str]:
    """Return the lines of the log so far."""
    reporter.log.flush(everything=True)
    return [line for _, line in reporter.log.last]


def locked_names(*names: str) -> Lock:
    """Return a lock that requests these distributions."""
    packages = [
        LockedPackage(
            ecosystem="pypi",
            name=name,
            version="1.0",
            url="https://index.example/file",
            sha256="c" * 64,
            filename=f"{name}.whl",
            kind="wheel",
            requested=True,
        )
        for name in names
    ]
    return Lock(packages=tuple(packages))


def save_v2(text: str) -> Version:
    """Save a v2 environment as a version."""
    return save_reading(workspace_named("lab"), "tested", read(text, "environment.yaml"), source=text).version
