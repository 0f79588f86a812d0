"""Packing conda packages into layers, and refusing malformed packages."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.conda.layers import environment_layers
from builds.imaging.download.fetch import Fetched, fetch
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.layer import Layer
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conda.making import PLACEHOLDER, VERSION, Content, dated, make_module, make_package
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, unpacked
from tests.builds.imaging.test_cancelling import children

pytestmark = pytest.mark.slow

Files = dict[str, str | Content]
SITE = f"opt/env/lib/python{'.'.join(VERSION.split('.')[:2])}/site-packages"


@pytest.fixture
def base() -> Base:
    return replace(empty_base(), probe=Probe(libc="glibc", libc_version="2.36"))


def locked(*packages: Path) -> Lock:
    """Return a lock of these packages, as solving would have."""
    result = []
    for package in packages:
        name, version, rest = package.name.rsplit("-", 2)
        result.append(
            LockedPackage(
                ecosystem="conda",
                kind="conda",
                name=name,
                version=version,
                build=rest.partition(".")[0],
                subdir=package.parent.name,
                channel="https://channel.example/team",
                url=f"https://channel.example/team/{package.parent.name}/{package.name}",
                sha256=hashlib.sha256(package.read_bytes()).hexdigest(),
                size=package.stat().st_size,
                filename=package.name,
            )
        )
    return Lock(packages=tuple(result))


def layers(workshop: Workshop, base: Base, *packages: Path, reporter: Recorder | None = None) -> list[Layer]:
    """Return the layers of these packages, which are in one folder."""
    reporter = reporter or Recorder()
    mirror = {"https://channel.example/team": packages[0].parents[1].as_uri()}
    shop = replace(workshop, channel_mirrors=mirror)
    lock = locked(*packages)
    return environment_layers(base, lock, fetch(lock, shop, reporter), shop, reporter)


def tree(workshop: Workshop, made: list[Layer], into: Path) -> Path:
    """Unpack layers one over the other."""
    for layer in made:
        names = unpacked(workshop.store, layer.descriptor.digest, into)
        assert len(names) == len(set(names))
    return into


def refused(workshop: Workshop, base: Base, package: Path) -> ImageError:
    with pytest.raises(ImageError) as result:
        layers(workshop, base, package)
    assert list((workshop.store.path / "ingest").iterdir()) == []
    return result.value


def test_prefixes_are_rewritten_in_text_and_in_programs(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    library = b"\x7fELF" + PLACEHOLDER.encode() + b"/lib\0after\0"
    files: Files = {
        "bin/tool": f"#!{PLACEHOLDER}/bin/sh\n",
        "lib/tool.so": library,
        "share/tool.txt": PLACEHOLDER,
    }
    kinds = {"bin/tool": "text", "lib/tool.so": "binary"}
    package = make_package(
        tmp_path / "channel", "tool", files=files, placeholders=kinds, executable=["bin/tool"]
    )

    root = tree(workshop, layers(workshop, base, package), tmp_path / "root") / "opt/env"

    assert (root / "bin/tool").read_text() == "#!/opt/env/bin/sh\n"
    assert (root / "bin/tool").stat().st_mode & 0o777 == 0o755
    rewritten = (root / "lib/tool.so").read_bytes()
    assert rewritten.startswith(b"\x7fELF/opt/env/lib\0")
    assert rewritten.endswith(b"\0after\0")
    assert len(rewritten) == len(library)
    assert (root / "share/tool.txt").read_text() == PLACEHOLDER


@pytest.mark.parametrize("old_format", [False, True])
def test_condas_record_names_the_source_of_a_package_and_nothing_of_this_machine(
    workshop: Workshop, base: Base, tmp_path: Path, old_format: bool
) -> None:
    files: Files = {"share/tool.txt": "x", "share/link": ("tool.txt",)}
    package = make_package(tmp_path / "channel", "tool", files=files, old_format=old_format)

    root = tree(workshop, layers(workshop, base, package), tmp_path / "root") / "opt/env"

    text = (root / "conda-meta/tool-1.0-h0_0.json").read_text()
    record = json.loads(text)
    assert str(tmp_path) not in text
    assert "packages/" not in text
    assert record["url"] == f"https://channel.example/team/linux-64/{package.name}"
    assert record["channel"] == "https://channel.example/team"
    assert record["files"] == ["share/link", "share/tool.txt"]
    assert (root / "share/link").readlink() == Path("tool.txt")
    history = (root / "conda-meta/history").read_text()
    assert "+https://channel.example/team/linux-64::tool-1.0-h0_0" in history
    assert not (root / "CACHEDIR.TAG").exists()


def test_bytecode_of_any_time_stays_valid_and_that_of_another_source_goes(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    kept, stale = b"x = 1\n", f"where = '{PLACEHOLDER}'\n".encode()
    files = {
        "lib/kept.py": kept,
        "lib/__pycache__/kept.cpython-311.pyc": dated(kept),
        "lib/stale.py": stale,
        "lib/__pycache__/stale.cpython-311.pyc": dated(stale),
    }
    package = make_package(tmp_path / "channel", "tool", files=files, placeholders={"lib/stale.py": "text"})

    root = tree(workshop, layers(workshop, base, package), tmp_path / "root") / "opt/env"

    code = (root / "lib/__pycache__/kept.cpython-311.pyc").read_bytes()
    assert code[4:8] == (1).to_bytes(4, "little"), "valid whatever the time of its source is"
    assert code[16:] == dated(kept)[16:]
    record = json.loads((root / "conda-meta/tool-1.0-h0_0.json").read_text())
    listed = {entry["_path"]: entry for entry in record["paths_data"]["paths"]}
    assert "lib/__pycache__/stale.cpython-311.pyc" not in listed
    assert not (root / "lib/__pycache__/stale.cpython-311.pyc").exists()
    changed = listed["lib/__pycache__/kept.cpython-311.pyc"]
    assert changed["sha256_in_prefix"] == hashlib.sha256(code).hexdigest()


def test_modules_go_where_the_python_keeps_them_with_bytecode_and_commands(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    python = make_package(tmp_path / "channel", "python", VERSION, {"bin/python": "x"})
    module = make_module(tmp_path / "channel", "greeter", entry_points=["greet = greeter:main"])

    root = tree(workshop, layers(workshop, base, python, module), tmp_path / "root")

    assert (root / SITE / "greeter/__init__.py").is_file()
    (code,) = (root / SITE / "greeter/__pycache__").iterdir()
    record = json.loads((root / "opt/env/conda-meta/greeter-1.0-py_0.json").read_text())
    assert str(code.relative_to(root / "opt/env")) in record["files"]
    assert (root / "opt/env/bin/greet").read_text().startswith("#!/opt/env/bin/python3.")
    assert (root / "opt/env/bin/greet").stat().st_mode & 0o777 == 0o755


def test_a_package_is_packed_once_and_one_more_changes_one_layer(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    channel = tmp_path / "channel"
    big = make_package(channel, "big", files={"share/big": bytes(range(256)) * 10, "share/noise": _noise()})
    small = make_package(channel, "small", files={"share/small": "x"})

    first = layers(workshop, base, big)
    stored = _blobs(workshop)
    again = layers(workshop, base, big)
    more = layers(workshop, base, big, small)

    assert first == again
    assert first[0] in more
    assert len(_blobs(workshop)) - len(stored) == 2, "one for the package, one for conda's history"


def test_of_packages_that_bring_the_same_file_the_first_by_name_is_used(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    channel, reporter = tmp_path / "channel", Recorder()
    package = make_package(channel, "one", files={"share/same": "one"})
    two = make_package(channel, "two", files={"share/same": "two"})

    root = tree(workshop, layers(workshop, base, package, two, reporter=reporter), tmp_path / "root")

    assert (root / "opt/env/share/same").read_text() == "one"
    assert "one and two both bring /opt/env/share/same: that of one is used" in reporter.log


def test_layers_stay_within_what_an_engine_takes(workshop: Workshop, base: Base, tmp_path: Path) -> None:
    below = Descriptor(media_type="", digest="sha256:" + "0" * 64, size=0)
    deep = replace(base, layers=(below,) * 112)
    packages = [make_package(tmp_path / "channel", f"p{n}", files={f"share/{n}": "x"}) for n in range(20)]

    assert len(layers(workshop, deep, *packages)) <= 8


@pytest.mark.parametrize("when", ["pre", "post"])
def test_no_script_of_a_package_runs_here(workshop: Workshop, base: Base, tmp_path: Path, when: str) -> None:
    """A pre-link script could run nowhere else, and is refused."""
    script = f"#!/bin/sh\ntouch {tmp_path}/ran\n"
    name = f"bin/.tool-{when}-link.sh"
    package = make_package(tmp_path / "channel", "tool", files={name: script}, executable=[name])

    if when == "pre":
        error = refused(workshop, base, package)
        assert error.code == "pre-link-script"
        assert "tool 1.0 has a pre-link script" in error.message
        assert error.help
    else:
        assert layers(workshop, base, package)
    assert not (tmp_path / "ran").exists()


def archive(folder: Path, *entries: tarfile.TarInfo, info: dict[str, object] | None = None) -> Path:
    """Return a package with these raw entries."""

    def packed(tars: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as opened:
            for entry, data in tars:
                entry.size = len(data)
                opened.addfile(entry, io.BytesIO(data))
        return zstandard.compress(out.getvalue())

    index = {
        "name": "evil",
        "version": "1.0",
        "build": "0",
        "build_number": 0,
        "depends": [],
        "subdir": "linux-64",
    }
    paths = info or {"paths": [], "paths_version": 1}
    metadata = [("info/index.json", json.dumps(index)), ("info/paths.json", json.dumps(paths))]
    package = folder / "linux-64" / "evil-1.0-0.conda"
    package.parent.mkdir(parents=True)
    with zipfile.ZipFile(package, "w") as outer:
        outer.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        outer.writestr("pkg-evil-1.0-0.tar.zst", packed([(entry, b"") for entry in entries]))
        outer.writestr(
            "info-evil-1.0-0.tar.zst",
            packed([(tarfile.TarInfo(name), text.encode()) for name, text in metadata]),
        )
    return package


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    result = tarfile.TarInfo(name)
    result.type, result.linkname = kind, target
    return result


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../../escaped")],
        [entry("/tmp/conda-escaped")],
        [entry("a", tarfile.SYMTYPE, "/tmp"), entry("a/escaped")],
        [entry("a", tarfile.LNKTYPE, "../../escaped")],
        [entry("pipe", tarfile.FIFOTYPE)],
    ],
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused(
    workshop: Workshop, base: Base, tmp_path: Path, entries: list[tarfile.TarInfo]
) -> None:
    error = refused(workshop, base, archive(tmp_path / "channel", *entries))

    assert (error.code, error.fault) == ("bad-package", "outside")
    assert "evil-1.0-0.conda" in error.message


def test_a_package_that_lists_paths_outside_of_the_environment_is_refused(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    listed = {"paths": [{"_path": "../../etc/passwd", "path_type": "hardlink"}], "paths_version": 1}

    error = refused(workshop, base, archive(tmp_path / "channel", entry("a"), info=listed))

    assert error.code == "bad-package"
    assert "leads out of the environment" in error.message


def test_a_package_of_before_2017_is_installed_like_any_other(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    package = make_package(
        tmp_path / "channel",
        "tool",
        files={"bin/tool": f"#!{PLACEHOLDER}/bin/sh\n"},
        placeholders={"bin/tool": "text"},
        old_format=True,
        before_2017=True,
    )

    root = tree(workshop, layers(workshop, base, package), tmp_path / "root")

    assert (root / "opt/env/bin/tool").read_text() == "#!/opt/env/bin/sh\n"


@pytest.mark.parametrize("old_format", [False, True])
def test_a_package_that_is_cut_off_is_refused(
    workshop: Workshop, base: Base, tmp_path: Path, old_format: bool
) -> None:
    package = make_package(tmp_path / "channel", "tool", files={"share/x": _noise()}, old_format=old_format)
    package.write_bytes(package.read_bytes()[:-1000])

    error = refused(workshop, base, package)

    assert error.code == "bad-package"


def test_a_file_that_is_not_what_was_locked_is_refused(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    package = make_package(tmp_path / "channel", "tool", files={"share/x": "x"})
    lock = locked(package)
    package.write_bytes(package.read_bytes() + b"more")
    shop = replace(
        workshop, channel_mirrors={"https://channel.example/team": (tmp_path / "channel").as_uri()}
    )

    with pytest.raises(ImageError) as result:
        fetch(lock, shop, Recorder())

    assert result.value.code == "digest-mismatch"


def test_a_cancelled_build_ends_the_packing_and_leaves_nothing(
    workshop: Workshop, base: Base, tmp_path: Path
) -> None:
    reporter = Recorder()
    files = {f"share/{n}": _noise() for n in range(4)}
    package = make_package(tmp_path / "channel", "big", files=files)
    lock = locked(package)
    shop = replace(
        workshop, channel_mirrors={"https://channel.example/team": (tmp_path / "channel").as_uri()}
    )
    fetched: Fetched = fetch(lock, shop, reporter)
    reporter.cancelled = True
    before = children()

    with pytest.raises(ImageError) as result:
        environment_layers(base, lock, fetched, shop, reporter)

    assert result.value.code == "cancelled"
    assert list((workshop.store.path / "ingest").iterdir()) == []
    assert children() == before


def _noise() -> bytes:
    """Return three megabytes that do not get smaller."""
    return b"".join(
        hashlib.sha256(bytes([n % 256, n // 256 % 256, n // 65536])).digest() for n in range(98304)
    )


def _blobs(workshop: Workshop) -> set[str]:
    return {path.name for path in (workshop.store.path / "blobs" / "sha256").iterdir()}
