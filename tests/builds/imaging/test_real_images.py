"""Images made here, pushed to a real registry, pulled and run by a real engine."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.download.fetch import Fetched, fetch
from builds.imaging.lock import Lock
from builds.imaging.pip.check import check_lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.packing.test_wheel_trees import ours, record, theirs, tree
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry

pytestmark = pytest.mark.slow

TRAIN = """
import ctypes, sqlite3, ssl, sys
from sklearn.linear_model import LinearRegression
fitted = LinearRegression().fit([[0], [1], [2]], [1, 3, 5])
ssl.create_default_context()
print(round(fitted.predict([[3]])[0]), sys.prefix, sqlite3.connect(":memory:").execute("select 1").fetchone())
"""


@dataclass(frozen=True)
class Made:
    base: Base
    lock: Lock
    fetched: Fetched
    image: AssembledImage


def make(workshop: Workshop, reference: str, *requirements: str, reporter: Recorder | None = None) -> Made:
    reporter = reporter or Recorder()
    base = find_base(reference, workshop, reporter)
    lock = resolve(base, requirements, workshop, reporter)
    fetched = fetch(lock, workshop, reporter)
    return Made(base, lock, fetched, assemble(base, lock, fetched, ImageSettings(), workshop, reporter))


@pytest.fixture(scope="module")
def learning(shared_workshop: Workshop) -> Made:
    """scikit-learn, pip and a few packages with scripts, on the base of this machine."""
    return make(shared_workshop, "host", "scikit-learn==1.5.2", "pip", "flask==3.0.3", "setuptools", "wheel")


def push(skopeo: Path, workshop: Workshop, image: AssembledImage, target: str, *options: str) -> None:
    name = "tests/pushed:latest"
    workshop.store.tag(name, image.descriptor)
    source = f"oci:{workshop.store.path}:{name}"
    command = [
        str(skopeo),
        "--insecure-policy",
        "copy",
        "--quiet",
        "--dest-tls-verify=false",
        *options,
        source,
    ]
    subprocess.run([*command, f"docker://{target}"], check=True)


def test_skopeo_reads_the_store_as_the_layout_it_is(
    learning: Made, shared_workshop: Workshop, skopeo: Path
) -> None:
    shared_workshop.store.tag("default/azureml/azureml_abc:latest", learning.image.descriptor)

    inspected = subprocess.run(
        [skopeo, "inspect", f"oci:{shared_workshop.store.path}:default/azureml/azureml_abc:latest"],
        capture_output=True,
        check=True,
    )

    assert json.loads(inspected.stdout)["Digest"] == learning.image.digest


def test_the_lock_lists_requested_packages_and_the_dependents_of_the_rest(learning: Made) -> None:
    result = {package.name: package for package in learning.lock.packages}

    assert {name for name, package in result.items() if package.requested} == {
        "scikit-learn",
        "pip",
        "flask",
        "setuptools",
        "wheel",
    }
    assert "scikit-learn" in result["numpy"].needed_by
    assert {"scikit-learn"} <= set(result["joblib"].needed_by)
    assert check_lock(learning.lock, learning.fetched, Quiet()) == []


def test_a_lock_without_a_needed_package_is_reported(learning: Made) -> None:
    without = tuple(package for package in learning.lock.packages if package.name != "joblib")

    problems = check_lock(learning.lock.model_copy(update={"packages": without}), learning.fetched, Quiet())

    assert any("scikit-learn" in problem and "joblib" in problem for problem in problems)


def test_real_wheels_become_the_trees_that_installer_makes(learning: Made, tmp_path: Path) -> None:
    for wheel in learning.fetched.wheels:
        if wheel.size > 12_000_000:
            continue
        folder = tmp_path / wheel.name
        folder.mkdir()
        with zipfile.ZipFile(wheel.path) as archive:
            points = [n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt")]
            text = archive.read(points[0]).decode() if points else ""
        mine, standard = ours(wheel.path, folder, bytecode="none"), theirs(wheel.path, folder, wheel.name)
        generated = {
            f"opt/env/bin/{line.partition('=')[0].strip()}" for line in text.splitlines() if "=" in line
        }
        # pip gives itself this command, `installer` does not.
        generated.add("opt/env/bin/pip3.11")
        installed = tree(mine, generated=generated)
        if wheel.name == "pip":
            assert installed.pop("opt/env/bin/pip3.11")
        assert installed == tree(standard, generated=generated), wheel.name
        scripts = {path.replace("opt/env", "../../..", 1) for path in generated}
        assert {r for r in record(mine) if r[0] not in scripts} == {
            r for r in record(standard) if r[0] not in scripts
        }


def test_a_real_engine_pulls_and_runs_the_image(
    learning: Made, shared_workshop: Workshop, skopeo: Path, registry: Registry, docker_engine: DockerEngine
) -> None:
    target = f"{registry.address}/tests/learning:latest"
    push(skopeo, shared_workshop, learning.image, target)
    image = docker_engine.client.images.pull(target.rpartition(":")[0], tag="latest")

    def run(*command: str) -> str:
        return docker_engine.client.containers.run(
            image, list(command), remove=True, network_mode="none"
        ).decode()

    assert run("python", "-c", TRAIN).split() == ["7", "/opt/env", "(1,)"]
    assert run("pip", "check").strip() == "No broken requirements found."
    assert "Flask 3.0.3" in run("flask", "--version")
    listed = {entry["name"]: entry["version"] for entry in json.loads(run("pip", "list", "--format", "json"))}
    assert {name.lower().replace("_", "-"): v for name, v in listed.items()} == {
        package.name: package.version for package in learning.lock.packages
    }
    assert run("sh", "-c", "echo $PATH; id -u").split() == ["/opt/env/bin:/usr/local/bin:/usr/bin:/bin", "0"]
    from_source = (
        "python -v -c 'import flask' 2>&1 | grep -c 'code object from .*site-packages.*[.]py.$' || true"
    )
    assert run("sh", "-c", from_source).strip() == "0", "modules were compiled when they were imported"


def test_an_environment_without_packages_runs(
    shared_workshop: Workshop, skopeo: Path, registry: Registry, docker_engine: DockerEngine
) -> None:
    made = make(shared_workshop, "host")
    target = f"{registry.address}/tests/empty:latest"
    push(skopeo, shared_workshop, made.image, target)
    image = docker_engine.client.images.pull(target.rpartition(":")[0], tag="latest")

    message = docker_engine.client.containers.run(
        image, ["python", "-c", "import sys; print(sys.prefix)"], remove=True
    )

    assert message == b"/opt/env\n"
    assert made.lock.packages == ()


@pytest.fixture(scope="module")
def bare(shared_workshop: Workshop) -> AssembledImage:
    """The base of this machine with an environment that holds nothing."""
    return make(shared_workshop, "host").image


@pytest.fixture
def published(
    bare: AssembledImage, shared_workshop: Workshop, skopeo: Path, registry: Registry, tmp_path: Path
) -> Workshop:
    """A fresh workshop whose Docker Hub is a real registry that holds a python:3.11 image."""
    push(skopeo, shared_workshop, bare, f"{registry.address}/library/python:3.11")
    return Workshop(
        store=type(shared_workshop.store)(tmp_path / "store"),
        cache=tmp_path / "cache",
        mirrors={"docker.io": registry.address},
    )


def test_a_base_of_a_registry_is_pulled_probed_and_built_on(published: Workshop) -> None:
    reporter = Recorder()

    made = make(published, "python:3.11", "tomli==2.0.1", reporter=reporter)

    probe = made.base.probe
    assert probe.python == f"/usr/local/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    assert probe.version == ".".join(map(str, sys.version_info[:3]))
    assert (probe.libc, probe.architecture) == ("glibc", "amd64")
    assert made.base.reference == "docker.io/library/python:3.11"
    assert not made.base.cached
    assert "Fetching docker.io/library/python:3.11" in reporter.log
    assert reporter.steps
    assert made.image.layers[: len(made.base.layers)] == made.base.layers


def test_a_base_that_is_here_is_not_fetched_again(published: Workshop) -> None:
    find_base("python:3.11", published, Recorder())

    again = find_base("docker.io/library/python:3.11", published, Recorder())

    assert again.cached


def test_a_base_by_digest_is_that_very_image(published: Workshop) -> None:
    by_tag = find_base("python:3.11", published, Recorder())

    by_digest = find_base(f"python@{by_tag.digest}", published, Recorder())

    assert by_digest.digest == by_tag.digest


def test_images_in_dockers_own_format_are_taken(
    published: Workshop, bare: AssembledImage, shared_workshop: Workshop, skopeo: Path, registry: Registry
) -> None:
    push(skopeo, shared_workshop, bare, f"{registry.address}/library/old:1", "--format=v2s2")

    made = make(published, "old:1", "tomli==2.0.1")

    manifest = json.loads(published.store.read(made.image.digest))
    assert {layer["mediaType"] for layer in manifest["layers"]} == {
        "application/vnd.oci.image.layer.v1.tar+gzip"
    }


def test_an_unknown_base_is_an_error_that_names_it(published: Workshop) -> None:
    unreachable = replace(
        published, mirrors={"docker.io": published.mirrors["docker.io"], "ghcr.io": "127.0.0.1:1"}
    )

    with pytest.raises(ImageError) as missing:
        find_base(f"{published.mirrors['docker.io']}/library/nothing:1", published, Recorder())
    with pytest.raises(ImageError) as silent:
        find_base("127.0.0.1:1/library/nothing:1", unreachable, Recorder())
    with pytest.raises(ImageError) as senseless:
        find_base("Not A Reference", published, Recorder())

    assert (missing.value.code, missing.value.fault) == ("base-not-found", "author")
    assert "library/nothing" in missing.value.message
    assert (silent.value.code, silent.value.fault) == ("registry-unreachable", "outside")
    assert senseless.value.code == "base-not-found"


def test_a_private_base_needs_the_workspaces_credentials(
    bare: AssembledImage, shared_workshop: Workshop, private_registry: Registry, skopeo: Path, tmp_path: Path
) -> None:
    reference = f"{private_registry.address}/team/base:1"
    login = f"{private_registry.user}:{private_registry.password}"
    push(skopeo, shared_workshop, bare, reference, f"--dest-creds={login}")
    stranger = Workshop(store=type(shared_workshop.store)(tmp_path / "store"), cache=tmp_path / "cache")
    known = Login("registry", private_registry.url, private_registry.user, private_registry.password)
    mistaken = replace(known, password="wrong")

    with pytest.raises(ImageError) as refused:
        find_base(reference, stranger, Recorder())
    with pytest.raises(ImageError) as wrong:
        find_base(reference, replace(stranger, logins=Logins([mistaken])), Recorder())
    base = find_base(reference, replace(stranger, logins=Logins([known])), Recorder())

    assert refused.value.code == wrong.value.code == "registry-refused"
    assert private_registry.password not in str(wrong.value)
    assert base.probe.version


def test_record_in_the_image_is_readable_csv(learning: Made, tmp_path: Path) -> None:
    flask = next(wheel for wheel in learning.fetched.wheels if wheel.name == "flask")
    (path,) = ours(flask.path, tmp_path).rglob("RECORD")

    rows = list(csv.reader(io.StringIO(path.read_text())))

    assert all(len(row) == 3 for row in rows)
    assert [row[0] for row in rows if row[0].startswith("..")] == ["../../../bin/flask"]
