"""A base's own Python compiles in a container of it, run by a real engine: as a Python of the machine would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.builds.imaging.parts.debian_python import MINOR as DEBIANS
from bench.builds.imaging.parts.debian_python import debian_base, debian_python, started_by_its_loader
from builds.engine.base_python import compiling_on
from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.bytecode import providers
from builds.imaging.bytecode.compilers import question
from builds.imaging.bytecode.interpreters import Interpreter, facts_of, running
from builds.imaging.bytecode.providers import find_interpreter
from builds.imaging.bytecode.stream import Stream
from builds.imaging.oci.layer import LayerWriter
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Cancelled, ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import locked, make_wheel
from tests.builds.imaging.test_images import sources
from tests.services.fixtures import HostWorkshop
from tests.services.servers.docker_engine import DockerEngine
from tests.services.sharing import made_once

MINOR = running().minor


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, host_workshop: HostWorkshop) -> Workshop:
    return replace(host_workshop(tmp_path_factory.mktemp("base-python")), jobs=2)


@pytest.fixture(scope="module")
def base(workshop: Workshop) -> Base:
    return find_base("host", workshop, Recorder())


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose only Python is of a version that nobody asks about."""
    monkeypatch.setattr(providers, "machine_interpreter", lambda *_: None)


@pytest.fixture(autouse=True)
def nothing_left(docker_engine: DockerEngine) -> Iterator[None]:
    yield
    assert docker_engine.containers() == []


def image_of(base: Base, workshop: Workshop, *wheels: Path) -> AssembledImage:
    lock, fetched = locked(*wheels)
    return assemble(base, lock, fetched, ImageSettings(), workshop, Recorder())


def compile_in(workshop: Workshop, *batches: list[tuple[str, bytes]]) -> list[list[bytes | None]]:
    assert workshop.base_python is not None
    stream = Stream(workshop.base_python.connect())
    futures = [stream.compile(question(batch), len(batch)) for batch in batches]
    answers = [[code for code, _ in future.result(60)] for future in futures]
    stream.close()
    return answers


def with_program(base: Base, workshop: Workshop, text: str) -> Base:
    """Return the base with this program as its Python."""
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob)
        writer.file(base.probe.python.lstrip("/"), text.encode(), 0o755)
        layer = writer.commit("another Python")
    config = {**base.config, "rootfs": {"type": "layers", "diff_ids": [*base.diff_ids, layer.diff_id]}}
    config.pop("history", None)
    return replace(
        base,
        reference="base.example/odd:1",
        digest=layer.diff_id,
        layers=(*base.layers, layer.descriptor),
        diff_ids=(*base.diff_ids, layer.diff_id),
        config=config,
    )


def test_the_same_wheel_and_python_give_the_same_image_from_the_machine_and_from_the_container(
    tmp_path: Path, base: Base, workshop: Workshop, docker_engine: DockerEngine, bare_machine: None
) -> None:
    wheels = [make_wheel(tmp_path, "pack", files=sources(200)), make_wheel(tmp_path)]
    images = {}
    for provider in ("machine", "base"):
        shop = replace(workshop, cache=tmp_path / provider, store=BlobStore(tmp_path / f"{provider}-store"))
        for layer in base.layers:
            shop.store.put(workshop.store.read(layer.digest), layer.media_type)
        with compiling_on(base, shop, docker_host=docker_engine.host) as shop:
            if provider == "machine":
                shop.interpreters[MINOR] = running()
            images[provider] = image_of(base, shop, *wheels)
            chosen = find_interpreter(MINOR, shop, Recorder())
            assert chosen is not None
            assert chosen.provider == provider

    assert images["machine"].digest == images["base"].digest


@pytest.fixture(scope="module")
def debian(shared_folder: Path) -> Path:
    """Debian 13's Python 3.13, unpacked beside this system."""
    return made_once(shared_folder, "debian-python", lambda: debian_python(shared_folder / "debian"))


def test_the_same_goes_for_a_python_that_this_machine_need_not_have(
    tmp_path: Path, debian: Path, docker_engine: DockerEngine, bare_machine: None
) -> None:
    program = started_by_its_loader(debian)
    facts = facts_of(program)
    assert facts is not None
    assert facts.fits(DEBIANS)
    wheel = make_wheel(tmp_path, "pack", files=sources(100))
    shop = Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache", jobs=2)
    base = debian_base("base.example/debian-python:13", debian, shop)
    assert base.probe.minor == DEBIANS

    machine = replace(shop, cache=tmp_path / "machine")
    machine.interpreters[DEBIANS] = Interpreter(str(program), facts.version, "machine")
    theirs = image_of(base, machine, wheel)
    with compiling_on(base, shop, docker_host=docker_engine.host) as inside:
        reporter = Recorder()
        chosen = find_interpreter(DEBIANS, inside, reporter)
        ours = image_of(base, inside, wheel)

    assert chosen is not None, reporter.log
    assert (chosen.provider, chosen.version) == ("base", facts.version)
    assert ours.digest == theirs.digest


def test_the_log_names_the_base_and_what_it_compiled_is_for_images_on_it_alone(
    base: Base, workshop: Workshop, docker_engine: DockerEngine, bare_machine: None
) -> None:
    reporter = Recorder()
    with compiling_on(base, workshop, docker_host=docker_engine.host) as shop:
        chosen = find_interpreter(MINOR, shop, reporter)
        other = find_interpreter((MINOR[0], MINOR[1] + 1), shop, reporter)

    assert chosen == Interpreter(base.probe.python, running().version, "base", base.digest)
    assert base.digest in chosen.identity
    assert f"Bytecode: CPython {running().version} of the base image, in a container" in reporter.lines
    assert other is None


def test_the_container_has_no_network_and_no_rights_and_is_limited(
    base: Base, workshop: Workshop, docker_engine: DockerEngine
) -> None:
    with compiling_on(base, workshop, docker_host=docker_engine.host) as shop:
        compile_in(shop, [("a.py", b"x = 1\n")])
        (container,) = docker_engine.client.containers.list()
        config = container.attrs["HostConfig"]
        assert container.attrs["Config"]["User"] == "65534:65534"

    assert config["NetworkMode"] == "none"
    assert config["ReadonlyRootfs"]
    assert config["CapDrop"] == ["ALL"]
    assert config["SecurityOpt"] == ["no-new-privileges"]
    assert config["Memory"] == config["MemorySwap"] > 0
    assert config["PidsLimit"] > 0
    assert config["NanoCpus"] == 2 * 10**9


def test_a_source_that_kills_its_compiler_costs_only_its_own_bytecode(
    base: Base, workshop: Workshop, docker_engine: DockerEngine
) -> None:
    deep = b"x = " + b"-" * 3_000_000 + b"1\n"
    batch = [("a.py", b"x = 1\n"), ("deep.py", deep), ("b.py", b"y = 1\n"), ("no.py", b"x =\n")]
    with compiling_on(base, workshop, docker_host=docker_engine.host) as shop:
        first, second = compile_in(shop, batch, [("c.py", b"z = {'a', 'b', 'c'}\n")])

    assert [code is not None for code in first] == [True, False, True, False]
    assert second[0] is not None


def test_a_base_whose_python_answers_nonsense_compiles_nothing_and_the_log_says_so(
    base: Base, workshop: Workshop, docker_engine: DockerEngine, bare_machine: None
) -> None:
    odd = with_program(base, workshop, "#!/bin/sh\ncase $* in *sleep*) sleep 60;; esac\necho [[[[[\n")
    reporter = Recorder()
    with compiling_on(odd, workshop, docker_host=docker_engine.host) as shop:
        assert find_interpreter(MINOR, shop, reporter) is None

    assert "does not answer as CPython does" in reporter.log
    assert "imports will take longer" in reporter.log


@pytest.mark.parametrize("answer", ["yes", "printf '\\377\\377\\377\\377\\377\\377\\377\\177'", "exit 1"])
def test_a_base_whose_python_lies_ends_the_build_with_an_error(
    answer: str, tmp_path: Path, base: Base, workshop: Workshop, docker_engine: DockerEngine
) -> None:
    liar = with_program(base, workshop, f"#!/bin/sh\ncase $* in *sleep*) sleep 60;; esac\n{answer}\n")
    with compiling_on(liar, workshop, docker_host=docker_engine.host) as shop:
        shop.interpreters[MINOR] = Interpreter("python", running().version, "base", liar.digest)
        with pytest.raises(ImageError, match="ended before it was done") as raised:
            image_of(liar, shop, make_wheel(tmp_path, "pack", files=sources(3)))

    assert raised.value.code == "packing-failed"


def test_a_cancelled_build_does_not_wait_for_a_python_that_is_silent(
    base: Base, workshop: Workshop, docker_engine: DockerEngine, bare_machine: None
) -> None:
    silent = with_program(base, workshop, "#!/bin/sh\nsleep 300\n")
    reporter = Recorder()

    class Cancelling(Recorder):
        def check(self) -> None:
            if docker_engine.containers(ended=False):
                raise Cancelled

    with (
        compiling_on(silent, workshop, docker_host=docker_engine.host) as shop,
        pytest.raises(Cancelled),
    ):
        find_interpreter(MINOR, shop, Cancelling())
    assert reporter.lines == []


def test_without_an_engine_there_is_no_bytecode(
    tmp_path: Path, base: Base, workshop: Workshop, bare_machine: None
) -> None:
    reporter = Recorder()
    with compiling_on(base, workshop, docker_host=f"unix://{tmp_path}/none.sock") as shop:
        assert find_interpreter(MINOR, shop, reporter) is None
    assert len(reporter.lines) == 1
    assert "imports will take longer" in reporter.log
