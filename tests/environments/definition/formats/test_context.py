"""Build contexts from folders and archives, and the archives that are refused."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import Definition, Reading, diff, read, read_path
from environments.definition.files.heaviest import heaviest
from environments.definition.files.limits import Limits
from environments.definition.model import ContextFile

FILES = {
    "Dockerfile": b"FROM ubuntu:22.04\nCOPY . /srv\n",
    "src/a.py": b"print(1)\n",
    "run.sh": b"#!/bin/sh\n",
}


def zipped(files: dict[str, bytes], prefix: str = "") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(prefix + name, (2024, 1, 1, 0, 0, 0))
            info.external_attr = (0o100755 if name.endswith(".sh") else 0o100644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz", extra: tarfile.TarInfo | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(info, io.BytesIO(content))
        if extra is not None:
            archive.addfile(extra)
    return stream.getvalue()


def codes(reading: Reading) -> list[str]:
    return [error.code for error in reading.errors]


def test_folder_zip_and_tar_of_the_same_files_are_the_same_definition(tmp_path: Path) -> None:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("[remote]")
    readings = [read_path(tmp_path), read(zipped(FILES)), read(zipped(FILES, "context/"))]
    readings += [read(tarred(FILES, mode)) for mode in ("w", "w:gz", "w:bz2", "w:xz")]
    hashes = set()
    for reading in readings:
        assert reading.definition is not None, reading.errors
        assert reading.format == "context"
        hashes.add(reading.definition.hash)
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"src/a.py": b"print(2)\n"},
        {"src/b.py": b"print(1)\n"},
        {"Dockerfile": b"FROM ubuntu:24.04\nCOPY . /srv\n"},
    ],
)
def test_files_of_the_context_are_hashed(change: dict[str, bytes]) -> None:
    """Rule 2."""
    first, two = read(zipped(FILES)).definition, read(zipped(FILES | change)).definition
    assert first is not None
    assert two is not None
    assert first.hash != two.hash


def test_comments_of_the_contexts_dockerfile_are_not_hashed() -> None:
    """Rule 3."""
    commented = {"Dockerfile": b"# why\r\nFROM ubuntu:22.04\r\nCOPY . /srv\r\n"}
    first, two = read(zipped(FILES)).definition, read(zipped(FILES | commented)).definition
    assert first is not None
    assert two is not None
    assert first.hash == two.hash


def _link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo("src/link")
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "content",
    [
        tarred(FILES, extra=_link(tarfile.SYMTYPE, "/etc/passwd")),
        tarred(FILES, extra=_link(tarfile.LNKTYPE, "../../etc/passwd")),
        tarred(FILES, extra=_link(tarfile.CHRTYPE, "")),
        tarred(FILES, extra=_link(tarfile.FIFOTYPE, "")),
        tarred(FILES | {"../escape": b"x"}),
        tarred(FILES | {"/etc/cron.d/x": b"x"}),
        zipped(FILES | {"../escape": b"x"}),
        zipped(FILES | {"C:\\windows\\x": b"x"}),
        zipped(FILES | {"a/../../b": b"x"}),
        zipped(FILES)[:-30],
        tarred(FILES)[:60],
        b"PK\x03\x04" + b"\0" * 40,
        b"\x1f\x8b" + b"\xff" * 40,
    ],
    ids=range(13),  # not by the bytes: a gzip has its time in it
)
def test_archives_with_links_devices_escapes_or_damage_are_refused(content: bytes) -> None:
    assert codes(read(content)) == ["bad-archive"]


def test_a_link_in_a_zip_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("Dockerfile", "FROM a:1\n")
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert codes(read(stream.getvalue())) == ["bad-archive"]


def test_archives_that_unfold_beyond_the_limit_are_stopped_there() -> None:
    """Rule 41."""
    limits = Limits(context=1 << 20)
    bomb = {"Dockerfile": b"FROM a:1\n", "zeros": b"\0" * (8 << 20)}
    for content in (zipped(bomb), tarred(bomb)):
        assert len(content) < 1 << 20
        reading = read(content, limits=limits)
        assert codes(reading) == ["too-large"]
        assert "1 MB" in reading.errors[0].message


def test_archives_and_folders_of_too_many_files_are_refused_with_the_limit(tmp_path: Path) -> None:
    """Rule 41."""
    limits = Limits(context_files=10)
    many = {"Dockerfile": b"FROM a:1\n"} | {f"f{n}": b"" for n in range(12)}
    for name, content in many.items():
        (tmp_path / name).write_bytes(content)
    for reading in (read(zipped(many), limits=limits), read_path(tmp_path, limits=limits)):
        assert codes(reading) == ["too-large"]
        assert "10 files" in reading.errors[0].message


def test_a_link_in_a_folder_counts_only_where_it_stays_inside(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (tmp_path / "secret").write_text("hush")
    (context / "Dockerfile").write_text("FROM a:1\n")
    (context / "also").symlink_to("Dockerfile")
    reading = read_path(context)
    assert reading.definition is not None
    assert reading.definition.context is not None
    assert reading.definition.context.text("also") == "FROM a:1\n"
    (context / "out").symlink_to("../secret")
    reading = read_path(context)
    assert codes(reading) == ["context-link"]
    assert "out is a link to ../secret, which is outside of the build context" in reading.errors[0].message
    assert "hush" not in repr(reading)


def test_a_link_to_a_folder_of_the_context_stays_a_link(tmp_path: Path) -> None:
    """As Docker sends it; the content is there once."""
    (tmp_path / "data" / "small").mkdir(parents=True)
    (tmp_path / "data" / "small" / "a.csv").write_text("1\n")
    (tmp_path / "Dockerfile").write_text("FROM ubuntu:24.04\nCOPY . /srv\n")
    (tmp_path / "current").symlink_to("data/small")
    first = read_path(tmp_path).definition
    assert first is not None
    assert first.context is not None
    (link,) = [file for file in first.context.files if file.link]
    assert (link.path, link.link) == ("current", "data/small")
    assert [file.path for file in first.context.files] == ["Dockerfile", "current", "data/small/a.csv"]
    assert Definition.model_validate(first.model_dump(mode="json")) == first
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("data")
    second = read_path(tmp_path).definition
    assert second is not None
    assert second.hash != first.hash
    assert [change.text for change in diff(first, second).other] == ["current: link changed"]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/etc", "an absolute path of the machine that it comes from"),
        ("..", "which is outside of the build context"),
        ("nowhere", "where nothing is"),
    ],
)
def test_a_link_that_cannot_be_kept_is_explained(tmp_path: Path, target: str, why: str) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM ubuntu:24.04\n")
    (context / "alias").symlink_to(target)
    (error,) = read_path(context).errors
    assert error.code == "context-link"
    assert error.message == f"alias is a link to {target}, {why}."
    assert ".dockerignore" in error.help
    (context / ".dockerignore").write_text("alias\n")
    assert read_path(context).accepted


def test_no_definition_holds_a_link_out_of_its_context() -> None:
    for target in ("..", "../x", "/etc", "a/../../x"):
        with pytest.raises(ValueError, match="is a link out of the build context"):
            ContextFile(path="alias", content=b"", link=target)


def test_empty_folders_are_part_of_a_context(tmp_path: Path) -> None:
    """COPY takes an empty folder as well."""
    for folder in ("logs", "data/raw", "src", ".git/refs", "ignored/deep"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src" / "a.py").write_text("")
    (tmp_path / "data" / "big.csv").write_text("1\n")
    (tmp_path / ".dockerignore").write_text("ignored\n*.csv\n**/*.csv\n")
    (tmp_path / "Dockerfile").write_text("FROM ubuntu:24.04\nCOPY logs /logs\n")
    with tarfile.open(tmp_path.parent / "context.tar", "w") as archive:
        archive.add(tmp_path, "context")
    shutil.make_archive(str(tmp_path.parent / "zipped"), "zip", tmp_path)
    readings = [read_path(tmp_path), read((tmp_path.parent / "context.tar").read_bytes())]
    readings.append(read((tmp_path.parent / "zipped.zip").read_bytes()))
    for reading in readings:
        assert reading.definition is not None, reading.errors
        assert reading.definition.context is not None
        assert reading.definition.context.folders == ("data/raw", "logs")
    assert len({reading.definition.hash for reading in readings if reading.definition}) == 1
    (tmp_path / "logs").rmdir()
    without = read_path(tmp_path).definition
    assert without is not None
    assert readings[0].definition is not None
    assert without.hash != readings[0].definition.hash
    assert [change.text for change in diff(without, readings[0].definition).other] == [
        "empty folder logs added"
    ]


def test_a_context_over_a_limit_names_what_takes_the_most_of_it(tmp_path: Path) -> None:
    """Rule 41."""
    web = tmp_path / "web" / "node_modules"
    for number in range(12):
        (web / f"package{number}").mkdir(parents=True)
        (web / f"package{number}" / "index.js").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.bin").write_bytes(bytes(300_000))
    (tmp_path / "Dockerfile").write_text("FROM ubuntu:24.04\n")
    shutil.make_archive(str(tmp_path.parent / "context"), "zip", tmp_path)
    packed = (tmp_path.parent / "context.zip").read_bytes()
    for limits, part in (
        (Limits(context_files=10), "web/node_modules/ has 12 files of it"),
        (Limits(context=1 << 18), "data/train.bin has 293 kB of it"),
    ):
        for reading in (read_path(tmp_path, limits=limits), read(packed, limits=limits)):
            (error,) = reading.errors
            assert error.code == "too-large"
            assert part in error.help
    (error,) = read_path(tmp_path, limits=Limits(context_files=10)).errors
    assert "a line `web/node_modules` in .dockerignore leaves it out" in error.help
    (tmp_path / ".dockerignore").write_text("web/node_modules\ndata/train.bin\n")
    assert read_path(tmp_path, limits=Limits(context=1 << 18, context_files=10)).accepted


def test_a_link_in_an_archive_is_refused_with_the_way_to_pack_without_it() -> None:
    (error,) = read(tarred(FILES, extra=_link(tarfile.SYMTYPE, "src"))).errors
    assert "'src/link' is a link to 'src'" in error.message
    assert "tar --dereference" in error.help


@given(
    st.dictionaries(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), st.integers(1, 9), min_size=1
    )
)
@settings(max_examples=100)
def test_what_is_named_as_the_heaviest_has_that_much(amounts: dict[str, int]) -> None:
    path, amount = heaviest(amounts)
    inside = [
        size
        for name, size in amounts.items()
        if name == path or (path.endswith("/") and name.startswith(path))
    ]
    assert sum(inside) == amount


def test_a_folder_of_pipes_and_sockets_is_read_without_waiting_for_them(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a:1\n")
    os.mkfifo(tmp_path / "pipe")
    reading = read_path(tmp_path)
    assert reading.definition is not None
    assert reading.definition.context is not None
    assert [file.path for file in reading.definition.context.files] == ["Dockerfile"]


def test_a_folder_without_a_definition_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"")
    reading = read_path(tmp_path)
    assert codes(reading) == ["not-a-definition"]
    assert "photo.jpg" in reading.errors[0].message


def test_what_docker_would_not_send_is_no_part_of_the_context() -> None:
    ignore = {".dockerignore": b"# logs\n*.log\n!keep.log\ndata/**\nDockerfile\n"}
    more = {"a.log": b"", "keep.log": b"", "data/x/y": b"", "src/b.log": b""}
    reading = read(zipped(FILES | ignore | more))
    assert reading.definition is not None, reading.errors
    assert reading.definition.context is not None
    paths = [file.path for file in reading.definition.context.files]
    assert paths == [".dockerignore", "Dockerfile", "keep.log", "run.sh", "src/a.py", "src/b.log"]


@pytest.mark.parametrize("named", ["docker/Dockerfile", "./docker/Dockerfile"])
def test_a_dockerfile_has_its_own_ignore_file_or_that_of_the_context(tmp_path: Path, named: str) -> None:
    for name in (".dockerignore", "docker/Dockerfile", "a", "b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("FROM a:1\n" if name.endswith("file") else "*\n")
    definition = tmp_path / "environment.yml"
    definition.write_text(f"name: a\nbuild:\n  path: .\n  dockerfile_path: {named}\n")

    def paths() -> list[str]:
        reading = read_path(definition)
        assert reading.definition is not None, reading.errors
        assert reading.definition.context is not None
        return [file.path for file in reading.definition.context.files]

    assert paths() == [".dockerignore", "docker/Dockerfile"]
    (tmp_path / "docker/Dockerfile.dockerignore").write_text("*\n!a\n")
    assert paths() == ["a", "docker/Dockerfile", "docker/Dockerfile.dockerignore"]
