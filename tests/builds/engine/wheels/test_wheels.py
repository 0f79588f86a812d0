"""Wheels of packages that come as source alone, built by a real engine in a container of the base."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.engine.connection import BASES, Engine
from builds.engine.wheels.build import Built, build_wheels
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases import host
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.derived import as_base
from builds.imaging.download.fetch import Fetched, fetch
from builds.imaging.lock import Lock
from builds.imaging.oci.layer import LayerWriter
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.pip.sources import needs_when_built
from builds.imaging.reporting import Cancelled, ImageError, Quiet
from builds.imaging.workshop import Workshop
from tests.builds.engine.test_engine import NOWHERE, Listener, files_in
from tests.builds.imaging.making import make_sdist
from tests.builds.imaging.serving import Index
from tests.services import parts
from tests.services.fixtures import HostWorkshop, need
from tests.services.servers.docker_engine import DockerEngine
from tests.studio.management.commands import Desk, Done

C_EXTENSION = {
    "setup.py": """
from setuptools import Extension, setup
setup(name="studio_tests_native", version="1.0", ext_modules=[Extension("native", ["native.c"])])
""",
    "native.c": "#include <Python.h>\n",
}
NATIVE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", "", -1, methods};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
"""


class Indented(Listener):
    """A listener for lines that pip moves to the right."""

    def line(self, text: str) -> None:
        super().line(text.strip())


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, host_workshop: HostWorkshop) -> Workshop:
    return host_workshop(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def base(workshop: Workshop) -> Base:
    """The base of this machine, in whose Python there is no pip, and which has no compiler."""
    return find_base("host", workshop, Listener())


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index beside the public one."""
    (tmp_path / "index").mkdir()
    served = Index(tmp_path / "index")
    with served.server.running():
        yield served


@pytest.fixture(autouse=True)
def nothing_left(docker_engine: DockerEngine) -> Iterator[None]:
    """Hold up that a build leaves nothing in the engine but the base image it was given."""
    before = {image.id for image in docker_engine.client.images.list(all=True)}
    yield
    assert docker_engine.containers() == []
    after = [image for image in docker_engine.client.images.list(all=True) if image.id not in before]
    assert [image.tags for image in after if not image.tags or not image.tags[0].startswith(BASES)] == []


def locked(name: str, index: Index, base: Base, workshop: Workshop) -> tuple[Lock, Fetched]:
    lock = resolve(base, [f"--extra-index-url {index.url}", name], workshop, Listener())
    return lock, fetch(lock, workshop, Listener())


def built(name: str, index: Index, base: Base, workshop: Workshop, listener: Listener, host: str) -> Built:
    lock, fetched = locked(name, index, base, workshop)
    return build_wheels(base, lock, fetched, workshop, listener, docker_host=host)


def refusal(name: str, index: Index, base: Base, workshop: Workshop, host: str) -> ImageError:
    with pytest.raises(ImageError) as refused:
        built(name, index, base, workshop, Listener(), host)
    return refused.value


def test_a_source_is_built_once_and_then_needs_no_engine(
    docker_engine: DockerEngine, index: Index, base: Base, workshop: Workshop
) -> None:
    says = "import os, sys; print('hello from', os.getuid(), os.environ['SOURCE_DATE_EPOCH'])"
    make_sdist(index.folder, "studio-tests-source".replace("-", "_"), code=says)
    listener, again = Listener(), Listener()

    first = built("studio_tests_source", index, base, workshop, listener, docker_engine.host)
    second = built("studio_tests_source", index, base, workshop, again, NOWHERE)

    (wheel,) = first.fetched.wheels
    assert wheel.path.name == "studio_tests_source-1.0-py3-none-any.whl"
    assert "studio_tests_source.py" in zipfile.ZipFile(wheel.path).namelist()
    assert (first.cached, first.surprises, second.cached) == (False, (), True)
    assert second.fetched.wheels == first.fetched.wheels
    assert "used again" in "\n".join(again.lines)


def test_without_an_engine_the_error_names_the_packages_that_need_it_and_alternatives(
    index: Index, base: Base, workshop: Workshop
) -> None:
    make_sdist(index.folder, "studio_tests_alone")

    error = refusal("studio_tests_alone", index, base, replace(workshop, index_url=index.url), NOWHERE)

    assert (error.code, error.fault) == ("engine-unreachable", "studio")
    assert "studio-tests-alone 1.0" in error.message
    assert "DOCKER_HOST" in error.help
    assert "no version of it has a wheel in the index" in error.message
    assert "Pin a version that has a wheel" in error.help


def test_a_source_in_c_fails_on_a_base_without_a_compiler(
    docker_engine: DockerEngine, index: Index, base: Base, workshop: Workshop
) -> None:
    """The build requirement, setuptools, comes from the public index: the container reaches it."""
    make_sdist(index.folder, "studio_tests_native", files=C_EXTENSION)

    error = refusal("studio_tests_native", index, base, workshop, docker_engine.host)

    assert (error.code, error.fault) == ("compile-failed", "author"), error
    assert "studio-tests-native 1.0" in error.message
    assert "gcc" in error.message
    assert "compiler" in error.help


def test_a_cancelled_build_takes_its_container_with_it(
    docker_engine: DockerEngine, index: Index, base: Base, workshop: Workshop
) -> None:
    make_sdist(
        index.folder,
        "studio_tests_slow",
        code="print('still building', flush=True)\nimport time\ntime.sleep(600)",
    )
    lock, fetched = locked("studio_tests_slow", index, base, workshop)
    listener = Indented("still building")

    with pytest.raises(Cancelled):
        build_wheels(base, lock, fetched, workshop, listener, docker_host=docker_engine.host)

    assert listener.cancelled
    assert docker_engine.containers() == []


def test_what_only_the_wheel_tells_it_needs_is_known_afterwards(
    docker_engine: DockerEngine, index: Index, base: Base, workshop: Workshop
) -> None:
    make_sdist(index.folder, "studio_tests_sly", needs=["idna==3.10"])

    lock, fetched = locked("studio_tests_sly", index, base, workshop)
    first = build_wheels(base, lock, fetched, workshop, Listener(), docker_host=docker_engine.host)
    lock, fetched = locked("studio_tests_sly", index, base, workshop)
    second = build_wheels(base, lock, fetched, workshop, Listener(), docker_host=NOWHERE)

    assert first.surprises == ("studio-tests-sly",)
    assert [package.name for package in lock.packages] == ["idna", "studio-tests-sly"]
    assert second.surprises == ()
    source = lock.named("studio-tests-sly")
    assert source is not None
    assert needs_when_built(source.sha256, base.probe, workshop) == ("idna==3.10",)


def test_a_failed_build_is_explained_with_its_own_output(
    docker_engine: DockerEngine, index: Index, base: Base, workshop: Workshop
) -> None:
    make_sdist(index.folder, "studio_tests_wrong", code="raise RuntimeError('this is not built here')")

    error = refusal("studio_tests_wrong", index, base, workshop, docker_engine.host)

    assert error.code == "compile-failed"
    assert "studio-tests-wrong 1.0" in error.message
    assert "RuntimeError: this is not built here" in error.message


def test_what_a_package_prints_is_logged_without_terminal_escapes(
    docker_engine: DockerEngine, index: Index, base: Base, workshop: Workshop
) -> None:
    code = r"print('\x1b[?25l\x1b[31mbuilding\x1b[0m in colour', flush=True)"
    make_sdist(index.folder, "studio_tests_colourful", code=code)
    listener = Listener()

    built("studio_tests_colourful", index, base, workshop, listener, docker_engine.host)

    log = "\n".join(listener.lines)
    assert "building in colour" in log
    assert "\x1b" not in log


def test_settings_on_a_requirements_line_reach_its_build(
    docker_engine: DockerEngine, index: Index, base: Base, workshop: Workshop
) -> None:
    make_sdist(index.folder, "studio_tests_set")
    line = "studio_tests_set==1.0 --config-settings=fast=yes"
    lock, fetched = locked(line, index, base, workshop)
    listener = Listener()

    build_wheels(base, lock, fetched, workshop, listener, docker_host=docker_engine.host, lines=[line])

    assert "settings: {'fast': 'yes'}" in "\n".join(listener.lines)


def test_a_wheel_of_something_else_is_not_taken(
    docker_engine: DockerEngine, index: Index, base: Base, workshop: Workshop
) -> None:
    made = make_sdist(index.folder, "studio_tests_mask")
    lock, fetched = locked("studio_tests_mask", index, base, workshop)
    other = replace(fetched.sdists[0], path=make_sdist(made.parent / "other", "studio_tests_other"))

    with pytest.raises(ImageError, match="another package or version, studio_tests_other-1"):
        build_wheels(
            *(base, lock, replace(fetched, sdists=(other,)), workshop, Listener()),
            docker_host=docker_engine.host,
        )


def installed(desk: Desk, done: Done) -> set[str]:
    """Return the paths that the layers of the image that was made put into the environment."""
    store = BlobStore(desk.var / "store")
    manifest = json.loads(store.read(done.result["digest"]))
    layers = [Descriptor.model_validate(layer) for layer in manifest["layers"][1:]]
    return {path for layer in layers for path in files_in(layer, store)}


def test_an_image_of_a_real_source_is_built_from_its_definition(
    docker_engine: DockerEngine, stock: Path, tmp_path: Path
) -> None:
    desk = Desk.stocked(stock, tmp_path, {"DOCKER_HOST": docker_engine.host})

    done = desk.build("docopt==0.6.2\n", "--name", "source")

    assert done.code == 0, done.stderr
    names = [step["name"] for step in done.result["steps"]]
    assert names == ["base", "resolve", "fetch", "build", "assemble", "verify", "store"]
    assert "Built docopt-0.6.2-py2.py3-none-any.whl in" in done.stderr
    assert any(path.endswith("site-packages/docopt.py") for path in installed(desk, done))


def test_what_turns_out_to_be_needed_comes_into_the_image_too(
    docker_engine: DockerEngine, index: Index, stock: Path, tmp_path: Path
) -> None:
    make_sdist(index.folder, "studio_tests_sly", needs=["idna==3.10"])
    desk = Desk.stocked(stock, tmp_path, {"DOCKER_HOST": docker_engine.host})

    done = desk.build(f"--extra-index-url {index.url}\nstudio_tests_sly==1.0\n", "--name", "sly")

    assert done.code == 0, done.stderr
    assert "resolving again" in done.stderr
    assert any(path.endswith("site-packages/idna/__init__.py") for path in installed(desk, done))


@pytest.fixture(scope="module")
def with_compiler(base: Base, workshop: Workshop) -> Base:
    """The base of this machine with its C compiler and its Python's headers in one more layer."""
    need(parts.COMPILER)
    headers = Path(sysconfig.get_path("include"))
    programs = [Path(gcc("-print-prog-name=cc1")), Path(gcc("-print-prog-name=collect2"))]
    inside = Path(gcc("-print-libgcc-file-name")).parent
    files = {str(path): path for path in (*programs, *inside.glob("*.[oa]"), *inside.glob("*.so"))}
    files |= {str(path): path for path in inside.glob("include/**/*") if path.is_file()}
    for name in ("crti.o", "crtn.o", "libc.so", "libc_nonshared.a", "libpthread.a"):
        path = Path(gcc(f"-print-file-name={name}")).resolve()
        files[str(path)] = path
    compiler = Path(
        str(sysconfig.get_config_var("CC")).split()[0]
    ).name  # Debian's Python names the machine in it
    tools = dict.fromkeys(("gcc", compiler, "as", "ld"))
    files |= {f"/usr/bin/{name}": Path(shutil.which(name) or "").resolve() for name in tools}
    system = [Path("/usr/include", name) for name in (gcc("-dumpmachine"), "linux", "asm-generic")]
    standard = [path for folder in system for path in folder.rglob("*.h") if path.is_file()]
    files |= {str(path): path for path in (*standard, *Path("/usr/include").glob("*.h"))}
    into = f"/usr/local/include/python{sys.version_info[0]}.{sys.version_info[1]}"
    files |= {f"{into}/{path.relative_to(headers)}": path for path in headers.rglob("*.h")}
    programs += [files[f"/usr/bin/{name}"] for name in tools]
    files |= {f"/{inside_path}": path for inside_path, path in host._libraries(programs, Quiet()).items()}
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob)
        for at, path in sorted(files.items()):
            writer.file(in_usr(at), path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)
        layer = writer.commit("a C compiler")
    config = {**base.config, "rootfs": {"type": "layers", "diff_ids": [*base.diff_ids, layer.diff_id]}}
    config.pop("history", None)
    return replace(
        base,
        reference="base.example/with-gcc:1",
        digest=layer.diff_id,
        layers=(*base.layers, layer.descriptor),
        diff_ids=(*base.diff_ids, layer.diff_id),
        config=config,
    )


def gcc(option: str) -> str:
    return subprocess.run(["gcc", option], capture_output=True, text=True, check=True).stdout.strip()


def in_usr(path: str) -> str:
    """Return a path without the links through which /lib is /usr/lib."""
    real = os.path.normpath(path).lstrip("/")
    return real if real.startswith("usr/") else f"usr/{real}"


def test_a_source_in_c_is_compiled_and_runs_in_the_image(
    docker_engine: DockerEngine, index: Index, with_compiler: Base, workshop: Workshop
) -> None:
    setup = C_EXTENSION["setup.py"].replace("studio_tests_native", "studio_tests_compiled")
    make_sdist(index.folder, "studio_tests_compiled", files={"setup.py": setup, "native.c": NATIVE})
    lock, fetched = locked("studio_tests_compiled", index, with_compiler, workshop)

    built = build_wheels(with_compiler, lock, fetched, workshop, Listener(), docker_host=docker_engine.host)
    image = assemble(with_compiler, lock, built.fetched, ImageSettings(), workshop, Listener())

    (wheel,) = built.fetched.wheels
    assert not wheel.path.name.endswith("-any.whl")
    made = as_base(image, with_compiler, lock, workshop)
    with (
        Engine.at(docker_engine.host) as engine,
        engine.temporary_image(made, workshop.store, Listener()) as name,
    ):
        command = ["python", "-c", "import native; print(native.answer(), native.__file__)"]
        output = docker_engine.client.containers.run(name, command, remove=True).decode()
    assert output.startswith("42 /opt/env/lib/python3")
