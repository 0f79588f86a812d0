"""Dockerfiles and build contexts, built by a real engine on images of a real registry."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from isal import igzip

from builds.engine import build_base
from builds.engine.connection import BASES, LABEL
from builds.imaging.bases.model import Base
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Cancelled, ImageError, Quiet
from builds.imaging.workshop import Workshop
from environments.definition import Definition, read
from tests.services.machine_image import import_machine_image
from tests.services.processes import wait_until
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry

PROGRAMS = ("/bin/sh", "/bin/cat", "/bin/ls", "/bin/sleep", "/bin/mkdir")
NOWHERE = "unix:///nowhere/docker.sock"


class Listener(Quiet):
    """A reporter that keeps the lines, and is cancelled when one of them is the signal."""

    def __init__(self, signal: str = "", then: Callable[[], object] | None = None) -> None:
        self.lines: list[str] = []
        self.signal = signal
        self.then = then
        self.cancelled = False

    def line(self, text: str) -> None:
        self.lines.append(text)
        if self.signal and text == self.signal:
            if self.then:
                self.then()
            else:
                self.cancelled = True

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


def push(engine: DockerEngine, registry: Registry, tag: str, programs: tuple[str, ...] = PROGRAMS) -> None:
    """Push an image of this machine's programs as `machine:<tag>`; the engine keeps nothing of it."""
    name = f"{registry.address}/library/machine"
    image = import_machine_image(engine.client, name, programs)
    engine.client.images.get(image).tag(name, tag)
    engine.client.images.push(name, tag=tag)
    engine.client.images.remove(image, force=True)


@pytest.fixture(scope="module")
def mirror(docker_engine: DockerEngine, registry: Registry) -> Registry:
    """A registry in the role of Docker Hub, with `machine:1`."""
    push(docker_engine, registry, "1")
    return registry


@pytest.fixture
def workshop(tmp_path: Path, mirror: Registry) -> Workshop:
    mirrors = {"docker.io": mirror.address}
    return Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache", mirrors=mirrors)


@pytest.fixture(autouse=True)
def nothing_left(docker_engine: DockerEngine) -> Iterator[None]:
    """Hold up that a build leaves nothing in the engine but the base images it was given."""
    before = {image.id for image in docker_engine.client.images.list(all=True)}
    yield
    assert docker_engine.containers() == []
    after = [image for image in docker_engine.client.images.list(all=True) if image.id not in before]
    assert [image.tags for image in after if not image.tags or not image.tags[0].startswith(BASES)] == []


def definition(text: str) -> Definition:
    return Definition(dockerfile=text)


def in_context(dockerfile: str, target: str = "", **files: str) -> Definition:
    """Return the definition that is read from these files: `_` in a name is a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Dockerfile", dockerfile)
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)
    reading = read(buffer.getvalue())
    assert reading.definition is not None, reading.errors
    assert reading.definition.context is not None
    context = reading.definition.context.model_copy(update={"target": target, "args": {"WORD": "given"}})
    return Definition(context=context)


def files_in(layer: Descriptor, store: BlobStore) -> dict[str, bytes]:
    """Return the files of a layer by their paths."""
    result = {}
    plain = igzip.decompress(store.read(layer.digest))  # type: ignore[no-untyped-call]
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is not None:
                result[entry.name] = content.read()
    return result


def added(base: Base, store: BlobStore) -> dict[str, bytes]:
    """Return the files of all layers above the first, which is the image that was started from."""
    return {path: data for layer in base.layers[1:] for path, data in files_in(layer, store).items()}


def test_a_dockerfile_is_built_on_an_image_that_only_the_studio_can_reach(
    docker_engine: DockerEngine, workshop: Workshop, mirror: Registry
) -> None:
    text = "FROM machine:1\nENV COLOUR=red\nWORKDIR /work\nUSER 1000\nRUN echo $COLOUR > /tmp/colour\n"
    listener = Listener()

    base = build_base(definition(text), workshop, listener, docker_host=docker_engine.host)

    assert added(base, workshop.store)["tmp/colour"] == b"red\n"
    assert "COLOUR=red" in base.run_config["Env"]
    assert (base.run_config["WorkingDir"], base.run_config["User"]) == ("/work", "1000")
    assert LABEL not in base.run_config.get("Labels", {})
    assert not base.cached
    assert "Step 1/5 : FROM docker.io/library/machine:1" in listener.lines
    assert not [line for line in listener.lines if BASES in line or " ---> " in line]


def test_the_layers_it_started_from_stay_the_registrys_own(
    docker_engine: DockerEngine, workshop: Workshop, mirror: Registry
) -> None:
    from_registry = _machine(workshop)

    base = build_base(
        definition("FROM machine:1\nRUN echo a > /tmp/a\n"), workshop, Quiet(), docker_host=docker_engine.host
    )

    assert base.layers[0].digest == from_registry.layers[0].digest
    assert base.diff_ids[0] == from_registry.diff_ids[0]
    assert len(base.layers) == len(from_registry.layers) + 1


def _machine(workshop: Workshop) -> Base:
    from builds.imaging.bases.find import find_base

    return find_base("machine:1", workshop, Quiet())


def test_the_same_again_asks_neither_an_engine_nor_a_registry(
    docker_engine: DockerEngine, workshop: Workshop
) -> None:
    text = "FROM machine:1\nRUN echo a > /tmp/a\n"
    first = build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)
    alone = replace(workshop, mirrors={"docker.io": "127.0.0.1:1"})

    again = build_base(definition(f"# a comment\n{text}"), alone, Quiet(), docker_host=NOWHERE)

    assert again.cached
    assert (again.digest, again.layers, again.reference) == (first.digest, first.layers, first.reference)


def test_a_rebuild_builds_again(docker_engine: DockerEngine, workshop: Workshop) -> None:
    text = "FROM machine:1\nRUN echo a > /tmp/a\n"
    build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)

    again = build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host, fresh=True)

    assert not again.cached


def test_a_lost_layer_is_built_again(docker_engine: DockerEngine, workshop: Workshop) -> None:
    text = "FROM machine:1\nRUN echo a > /tmp/a\n"
    first = build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)
    workshop.store.blob_path(first.layers[-1].digest).unlink()

    again = build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)

    assert not again.cached
    assert added(again, workshop.store)["tmp/a"] == b"a\n"


def test_a_base_is_pulled_again_only_if_its_tag_moved(
    docker_engine: DockerEngine, workshop: Workshop, mirror: Registry
) -> None:
    text = "FROM machine\nRUN echo a > /tmp/a\n"
    push(docker_engine, mirror, "latest")
    build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)

    same = build_base(definition(text), workshop, Quiet(), docker_host=NOWHERE)
    push(docker_engine, mirror, "latest", (*PROGRAMS, "/bin/true"))
    moved = build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)

    assert same.cached
    assert not moved.cached


def test_files_arguments_and_target_of_a_context_count(
    docker_engine: DockerEngine, workshop: Workshop
) -> None:
    dockerfile = (
        "FROM machine:1 AS first\nARG WORD=default\nRUN echo $WORD > /tmp/word\n"
        "FROM machine:1 AS second\nCOPY . /tmp/context/\nCOPY --from=first /tmp/word /tmp/word\n"
        "FROM second AS third\nRUN exit 1\n"
    )
    given = in_context(dockerfile, target="second", data_txt="data", secret_log="no", _dockerignore="*.log")

    base = build_base(given, workshop, Quiet(), docker_host=docker_engine.host)

    files = added(base, workshop.store)
    assert files["tmp/word"] == b"given\n"
    copied = {path for path in files if path.startswith("tmp/context/")}
    assert copied == {f"tmp/context/{name}" for name in (".dockerignore", "Dockerfile", "data.txt")}


@pytest.mark.parametrize("flag", ["", "--chmod=644 "], ids=["classic", "buildkit"])
def test_what_dockerignore_excludes_is_not_copied(
    docker_engine: DockerEngine, workshop: Workshop, flag: str
) -> None:
    ignore = "*\n!*.txt\n"
    dockerfile = f"FROM machine:1\nCOPY {flag}. /tmp/context/\n"
    given = in_context(dockerfile, a_txt="a", b_log="b", _dockerignore=ignore)

    base = build_base(given, workshop, Quiet(), docker_host=docker_engine.host)

    copied = set(added(base, workshop.store))
    # BuildKit needs its Dockerfile in the context that it is sent.
    assert copied - {"tmp/context/Dockerfile"} == {"tmp/context/a.txt"}
    assert ("tmp/context/Dockerfile" in copied) == bool(flag)


@pytest.mark.parametrize("flag", ["", "--chmod=644 "], ids=["classic", "buildkit"])
def test_a_context_holds_no_file_of_ours(docker_engine: DockerEngine, workshop: Workshop, flag: str) -> None:
    given = in_context(f"FROM machine:1\nCOPY {flag}. /tmp/context/\n", a_txt="a")

    base = build_base(given, workshop, Quiet(), docker_host=docker_engine.host)

    assert set(added(base, workshop.store)) == {"tmp/context/Dockerfile", "tmp/context/a.txt"}


def test_buildkits_syntax_is_built_by_buildkit(docker_engine: DockerEngine, workshop: Workshop) -> None:
    text = (
        "# syntax=docker/dockerfile:1\nFROM machine:1\n"
        "RUN --mount=type=tmpfs,target=/tmp/x echo hello && echo a > /tmp/a\n"
    )
    listener = Listener()

    base = build_base(definition(text), workshop, listener, docker_host=docker_engine.host)

    assert added(base, workshop.store)["tmp/a"] == b"a\n"
    assert "hello" in listener.lines
    assert not [line for line in listener.lines if BASES in line or "[internal]" in line]


def test_an_image_that_no_registry_has_may_be_the_engines_own(
    docker_engine: DockerEngine, workshop: Workshop
) -> None:
    image = import_machine_image(docker_engine.client, "team/own", PROGRAMS)
    text = "FROM team/own\nRUN echo a > /tmp/a\n"

    base = build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)
    again = build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)

    assert added(base, workshop.store)["tmp/a"] == b"a\n"
    assert again.cached
    assert docker_engine.client.images.get("team/own").id == image
    docker_engine.client.images.remove(image, force=True)


@pytest.mark.parametrize("flag", ["", "--mount=type=tmpfs,target=/tmp/x "], ids=["classic", "buildkit"])
def test_a_silent_step_is_cancelled_and_nothing_goes_on(
    docker_engine: DockerEngine, workshop: Workshop, flag: str
) -> None:
    text = f"FROM machine:1\nRUN {flag}echo before > /tmp/a\nRUN echo now && sleep 600\n"

    with pytest.raises(Cancelled):
        build_base(definition(text), workshop, Listener("now"), docker_host=docker_engine.host)

    # `nothing_left` sees to the rest: a step that slept on would still have its container.


class Wire:
    """A socket in front of the engine's, which can be cut; without a path it is a port of 127.0.0.1."""

    def __init__(self, engine: DockerEngine, path: Path | None = None) -> None:
        self._engine = engine
        self._ends: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self._listening.bind(str(path) if path else ("127.0.0.1", 0))
        self._listening.listen()
        port = "" if path else self._listening.getsockname()[1]
        self.host = f"unix://{path}" if path else f"tcp://127.0.0.1:{port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # the wire was cut
            while True:
                near, _ = self._listening.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._engine.socket))
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        for end in (self._listening, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_an_engine_that_is_lost_ends_the_build_with_a_sentence(
    docker_engine: DockerEngine, workshop: Workshop
) -> None:
    wire = Wire(docker_engine, docker_engine.folder / "lost.sock")  # a path of a socket is short
    listener = Listener("now", then=wire.cut)
    text = "FROM machine:1\nRUN echo now && sleep 600\n"

    with pytest.raises(ImageError, match="hung up") as failed:
        build_base(definition(text), workshop, listener, docker_host=wire.host)

    assert (failed.value.code, failed.value.fault) == ("engine-lost", "studio")
    wait_until(lambda: not docker_engine.containers(), 10, "the step goes on")
    # Nobody could take these away: they are found by their label later.
    docker_engine.client.images.prune()


def test_without_an_engine_it_says_what_to_do(workshop: Workshop) -> None:
    with pytest.raises(ImageError, match=r"Start Docker, or set DOCKER_HOST") as failed:
        build_base(definition("FROM machine:1\n"), workshop, Quiet(), docker_host=NOWHERE)

    assert (failed.value.code, failed.value.fault) == ("engine-unreachable", "studio")


@pytest.mark.parametrize(
    ("instruction", "code", "expected"),
    [
        ("RUN echo because; exit 3", "command-failed", "“RUN echo because; exit 3” at line 3"),
        ("RUN echo because; exit 3", "command-failed", "exit code 3: because"),
        ("RUN exit 137", "out-of-memory", "line 3"),
        ("RUN nonesuch", "missing-command", "nonesuch: not found"),
        ('RUN ["nonesuch"]', "missing-command", "the image has no nonesuch"),
        ("COPY missing.txt /", "copy-not-found", "missing.txt is not in the build context"),
        ("COPY --chmod=644 missing.txt /", "copy-not-found", "missing.txt is not in the build context"),
        ("FOO bar", "dockerfile-invalid", "line 3: unknown instruction: FOO"),
        ("COPY --from={registry}/nobody/nothing:1 /a /b", "base-not-found", "nobody/nothing"),
    ],
)
def test_a_failure_says_which_step_and_why(
    docker_engine: DockerEngine,
    workshop: Workshop,
    mirror: Registry,
    instruction: str,
    code: str,
    expected: str,
) -> None:
    instruction = instruction.replace("{registry}", mirror.address)
    text = f"FROM machine:1\nRUN echo before > /tmp/a\n{instruction}\n"

    with pytest.raises(ImageError) as failed:
        build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)

    assert failed.value.code == code, failed.value
    assert expected in failed.value.message


def test_what_a_dead_studio_left_is_taken_away_when_it_is_old(
    docker_engine: DockerEngine, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = docker_engine.client
    dockerfile = io.BytesIO(f"FROM scratch\nLABEL {LABEL}=x\nCMD none\n".encode())
    left, _log = client.images.build(fileobj=dockerfile, rm=True)
    container = client.containers.create(left)
    text = "FROM machine:1\nRUN echo other > /tmp/a\n"

    build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host)
    container.reload()
    monkeypatch.setattr("builds.engine.connection.LEFT_AFTER_SECONDS", -1)
    build_base(definition(text), workshop, Quiet(), docker_host=docker_engine.host, fresh=True)

    # `nothing_left` sees that both are gone.
