"""Conda environments that need a container: post-link scripts, and packages that come as source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builds.engine.connection import BASES, Engine
from builds.imaging.bases.model import Base
from builds.imaging.bases.pull import stored_base
from builds.imaging.oci.manifest import OCI_MANIFEST
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.builds.engine.test_engine import NOWHERE
from tests.builds.imaging.conda.making import VERSION, index, make_package, make_python
from tests.builds.imaging.making import make_sdist
from tests.builds.imaging.serving import Index
from tests.services.servers.docker_engine import DockerEngine
from tests.studio.management.commands import Desk, Done

SCRIPT = """#!/bin/sh
echo "linking $PKG_NAME $PKG_VERSION $PKG_BUILDNUM at $PREFIX"
echo "network:" $(ls /sys/class/net) $https_proxy
mkdir -p $PREFIX/share/made/deep
cat $PREFIX/share/first > $PREFIX/share/made/deep/copy
chmod 755 $PREFIX/share/made/deep/copy
ln -s deep/copy $PREFIX/share/made/link
echo more >> $PREFIX/share/first
rm $PREFIX/share/gone
echo elsewhere > /tmp/elsewhere
echo "Thank you for installing $PKG_NAME." >> $PREFIX/.messages.txt
"""


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("scripts")
    make_python(folder)
    files = {"bin/.linked-post-link.sh": SCRIPT, "share/first": "first\n", "share/gone": "gone\n"}
    make_package(folder, "linked", files=files, executable=["bin/.linked-post-link.sh"])
    broken = {"bin/.broken-post-link.sh": "#!/bin/sh\necho no such luck\nexit 3\n"}
    make_package(folder, "broken", files=broken, executable=["bin/.broken-post-link.sh"])
    return index(folder)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, stock: Path, channel: str) -> Desk:
    settings = {"STUDIO_CHANNEL_MIRRORS": f"conda-forge={channel}", "STUDIO_FILE_CHANNELS": "/"}
    return Desk.stocked(stock, tmp_path_factory.mktemp("desk"), settings)


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Index]:
    """An index beside the public one."""
    (tmp_path / "index").mkdir()
    served = Index(tmp_path / "index")
    with served.server.running():
        yield served


@pytest.fixture(autouse=True)
def nothing_left(docker_engine: DockerEngine) -> Iterator[None]:
    """Hold up that nothing stays in the engine but base images it was given."""
    before = {image.id for image in docker_engine.client.images.list(all=True)}
    yield
    assert docker_engine.containers() == []
    after = [image for image in docker_engine.client.images.list(all=True) if image.id not in before]
    assert [image.tags for image in after if not image.tags or not image.tags[0].startswith(BASES)] == []


def built(desk: Desk, packages: str, name: str, **settings: str) -> Done:
    text = f"channels: [conda-forge]\ndependencies: [{packages}]\n"
    return desk.build(text, "--name", name, name="environment.yml", **settings)


def run(desk: Desk, done: Done, engine: DockerEngine, command: str) -> str:
    """Return what a command in a container of the image says."""
    store = BlobStore(desk.var / "store")
    workshop = Workshop(store=store, cache=desk.var / "cache")
    manifest = store.tags()[f"default/azureml/azureml_{done.result['hash']}:latest"]
    assert manifest.media_type == OCI_MANIFEST
    image: Base = stored_base("made", manifest, workshop, Quiet())
    with Engine.at(engine.host) as client, client.temporary_image(image, store, Quiet()) as name:
        output: bytes = engine.client.containers.run(name, ["sh", "-c", command], remove=True)
    return output.decode()


def test_a_post_link_script_runs_in_a_container_and_its_changes_are_the_last_layer(
    desk: Desk, docker_engine: DockerEngine
) -> None:
    done = built(desk, "linked", "linked", DOCKER_HOST=docker_engine.host)

    assert done.code == 0, done.stderr
    assert "linking linked 1.0 0 at /opt/env" in done.stderr
    assert "network: lo http://127.0.0.1:3128" in done.stderr
    assert "Thank you for installing linked." in done.stderr
    assert "1 changes outside of /opt/env are left out" in done.stderr
    command = "cd /opt/env/share && cat made/link first && ls -l gone /tmp/elsewhere ../.messages.txt 2>&1"
    output = run(desk, done, docker_engine, f"{command} || true; [ -x made/deep/copy ] && echo runs")
    assert output.startswith("first\nfirst\nmore\n")
    assert output.count("No such file") == 3
    assert output.endswith("runs\n")

    # Once is enough: the same image again needs no engine, and is the same to the byte.
    again = desk.build(
        *((desk.folder / "environment.yml").read_text(), "--name", "linked", "--rebuild"),
        name="environment.yml",
        DOCKER_HOST=NOWHERE,
    )
    assert (again.code, again.result["digest"]) == (0, done.result["digest"]), again.stderr


def test_without_an_engine_a_post_link_script_is_refused(desk: Desk) -> None:
    done = built(desk, "broken", "broken", DOCKER_HOST=NOWHERE)

    assert (done.code, done.result["error"]["code"]) == (1, "post-link-script"), done.stderr
    assert "broken 1.0 has a post-link script, which has to run in a container" in done.stderr


def test_a_post_link_script_that_fails_is_named(desk: Desk, docker_engine: DockerEngine) -> None:
    done = built(desk, "broken", "broken", DOCKER_HOST=docker_engine.host)

    assert (done.code, done.result["error"]["code"]) == (1, "post-link-script"), done.stderr
    assert "The post-link script of broken 1.0 failed with exit code 3: no such luck" in done.stderr


def test_a_source_is_built_with_condas_python(
    desk: Desk, docker_engine: DockerEngine, sources: Index
) -> None:
    make_sdist(
        sources.folder,
        "studio_tests_beside_conda",
        code="import sys; print('built with', sys.executable, flush=True)",
    )
    pip = f"{{pip: ['--extra-index-url {sources.url}', studio_tests_beside_conda==1.0]}}"

    done = built(desk, f"python={VERSION}.*, linked, {pip}", "beside", DOCKER_HOST=docker_engine.host)

    assert done.code == 0, done.stderr
    assert "built with /opt/env/bin/python" in done.stderr
    output = run(
        desk,
        done,
        docker_engine,
        "python -c 'import studio_tests_beside_conda as made; print(made.__file__, made.version)'",
    )
    assert output.startswith("/opt/env/lib/python3")
    assert output.endswith(" 1.0\n")
