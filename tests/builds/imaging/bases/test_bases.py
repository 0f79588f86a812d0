"""Bases of every kind: each is understood, or refused with the reason."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from builds.imaging.bases.find import find_base, find_bases
from builds.imaging.bases.probe import Probe
from builds.imaging.bases.probing import leads_to_a_file, probed
from builds.imaging.oci.manifest import (
    DOCKER_INDEX,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
)
from builds.imaging.reporting import Cancelled, ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base
from tests.builds.imaging.serving import TokenRegistry
from tests.services.fixtures import HostWorkshop
from tests.services.workshops import workshop_in

GLIBC = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n\0"
MUSL = b"\0musl libc (x86_64)\0001.2.4\0"
LINK = "link to "

Files = dict[str, bytes | str]


def version(text: str) -> bytes:
    return b"\x7fELF\0" + text.encode() + b"\0 3.11.99x\0"


def tarred(files: Mapping[str, bytes | str]) -> bytes:
    """Return a tar of files and, where the content is text, links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.removeprefix(LINK)
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def probe(
    workshop: Workshop, *layers: bytes, path: str = "/usr/local/bin:/usr/bin:/bin", **config: Any
) -> Probe:
    stored = [workshop.store.put(layer, OCI_LAYER_GZIP) for layer in layers]
    digest = "sha256:" + hashlib.sha256(b"".join(layers) + path.encode()).hexdigest()
    whole = {"config": {"Env": [f"PATH={path}"]}, "architecture": "amd64", **config}
    return probed(digest, stored, whole, workshop, Recorder())


DEBIAN: Files = {
    "bin": LINK + "usr/bin",
    "usr/bin/python3": LINK + "python3.11",
    "usr/bin/python3.11": version("3.11.2"),
    "usr/lib/x86_64-linux-gnu/libc.so.6": GLIBC,
}
OFFICIAL: Files = {
    "usr/lib/x86_64-linux-gnu/libc.so.6": GLIBC,
    "usr/local/bin/python": LINK + "python3",
    "usr/local/bin/python3": LINK + "python3.12",
    "usr/local/bin/python3.12": b"small",
    "usr/local/lib/libpython3.12.so.1.0": version("3.12.4"),
}


def test_pythons_of_every_layout_are_found(workshop: Workshop) -> None:
    conda: Files = {
        "lib/x86_64-linux-gnu/libc-2.31.so": GLIBC.replace(b"2.36", b"2.31"),
        "lib/x86_64-linux-gnu/libc.so.6": LINK + "libc-2.31.so",
        "opt/conda/bin/python": LINK + "python3.10",
        "opt/conda/bin/python3.10": version("3.10.14"),
        "usr/bin/python3.8": version("3.8.10"),
    }
    alpine: Files = {
        "lib/ld-musl-x86_64.so.1": MUSL,
        "usr/local/bin/python3": LINK + "python3.11",
        "usr/local/bin/python3.11": version("3.11.9"),
    }
    venv: Files = {
        **DEBIAN,
        "srv/venv/bin/python": LINK + "/usr/bin/python3",
        "srv/venv/bin/python3": LINK + "python",
    }

    result = [
        probe(workshop, tarred(DEBIAN)),
        probe(workshop, tarred(OFFICIAL)),
        probe(workshop, tarred(conda), path="/opt/conda/bin:/usr/bin"),
        probe(workshop, tarred(alpine)),
        probe(workshop, tarred(venv), path="/srv/venv/bin:/usr/bin"),
    ]

    assert [(p.python, p.version, p.libc, p.libc_version) for p in result] == [
        ("/usr/bin/python3.11", "3.11.2", "glibc", "2.36"),
        ("/usr/local/bin/python3.12", "3.12.4", "glibc", "2.36"),
        ("/opt/conda/bin/python3.10", "3.10.14", "glibc", "2.31"),
        ("/usr/local/bin/python3.11", "3.11.9", "musl", "1.2.4"),
        ("/usr/bin/python3.11", "3.11.2", "glibc", "2.36"),
    ]


def test_a_base_without_python_has_none(workshop: Workshop) -> None:
    result = probe(workshop, tarred({"usr/lib/libc.so.6": GLIBC, "usr/bin/perl": b"x"}))

    assert (result.python, result.version, result.libc) == ("", "", "glibc")


def test_a_later_layer_hides_files_of_an_earlier_layer(workshop: Workshop) -> None:
    removed = tarred({"usr/bin/.wh.python3.11": b""})
    replaced = tarred({"usr/bin/python3": LINK + "python3.12", "usr/bin/python3.12": version("3.12.1")})
    cleared = tarred({"usr/bin/.wh..wh..opq": b"", "usr/bin/python3.9": version("3.9.1")})

    assert probe(workshop, tarred(DEBIAN), removed).python == ""
    assert probe(workshop, tarred(DEBIAN), replaced).version == "3.12.1"
    assert probe(workshop, tarred(DEBIAN), cleared).python == "/usr/bin/python3.9"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_layers_may_be_packed_in_any_of_the_usual_ways(workshop: Workshop, pack: Any) -> None:
    assert probe(workshop, pack(tarred(DEBIAN))).version == "3.11.2"


def test_links_in_a_circle_do_not_hang(workshop: Workshop) -> None:
    circle: Files = {
        "usr/bin/python3": LINK + "python",
        "usr/bin/python": LINK + "python3",
        "bin": LINK + "bin",
    }

    assert probe(workshop, tarred(circle)).python == ""


def test_a_path_is_followed_through_the_links_of_all_layers(workshop: Workshop) -> None:
    below: Files = {
        "opt/env/bin/python3.11": b"",
        "usr/bin/tool": b"",
        "usr/bin/gone": b"",
        "bin": LINK + "usr/bin",
    }
    above: Files = {"usr/local/bin/python": LINK + "/opt/env/bin/python3.11", "usr/bin/.wh.gone": b""}
    layers = tuple(workshop.store.put(tarred(files), OCI_LAYER_GZIP) for files in (below, above))
    base = replace(empty_base(), layers=layers)

    def there(path: str) -> bool:
        return leads_to_a_file(path, base, workshop, Recorder())

    assert all(map(there, ("/usr/local/bin/python", "/bin/tool", "/opt/env/bin/python3.11")))
    assert not any(map(there, ("/usr/bin/python", "/bin/gone", "/usr/bin", "/opt/env/bin/python3")))


def test_a_damaged_layer_is_refused(workshop: Workshop) -> None:
    with pytest.raises(ImageError) as refused:
        probe(workshop, gzip.compress(tarred(DEBIAN))[:-200])
    assert refused.value.code == "bad-layer"


def test_a_base_is_looked_into_once(workshop: Workshop) -> None:
    first = probe(workshop, tarred(DEBIAN))
    for layer in (workshop.store.path / "blobs/sha256").iterdir():
        layer.write_bytes(b"gone")
    digest = "sha256:" + hashlib.sha256(tarred(DEBIAN) + b"/usr/local/bin:/usr/bin:/bin").hexdigest()

    assert probed(digest, [], {}, workshop, Recorder()) == first


@pytest.mark.slow
def test_the_host_base_is_made_once_and_is_the_same_again(workshop: Workshop, tmp_path: Path) -> None:
    first = find_base("host", workshop, Recorder())
    again = find_base("host", workshop, Recorder())
    elsewhere = find_base("host", workshop_in(tmp_path / "elsewhere"), Recorder())

    assert not first.cached
    assert again.cached
    assert not elsewhere.cached
    assert first.digest == again.digest == elsewhere.digest
    assert "trying out" in first.run_config["Labels"]["io.environment-studio.base"]
    assert first.size < 60_000_000


def served(
    architectures: tuple[str, ...] = ("amd64",), index_type: str = OCI_INDEX, env: tuple[str, ...] = ()
) -> dict[str, tuple[str, bytes]]:
    """Return the blobs and manifests of an image for several platforms, by tag and digest."""
    blobs: dict[str, tuple[str, bytes]] = {}

    def put(media_type: str, body: bytes) -> Descriptor:
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        blobs[digest] = (media_type, body)
        return Descriptor(media_type=media_type, digest=digest, size=len(body))

    entries = []
    for architecture in architectures:
        plain = tarred({**DEBIAN, "arch": architecture.encode(), "ballast": b"\0".join([b"x" * 1000] * 500)})
        layer = put(OCI_LAYER_GZIP, gzip.compress(plain, mtime=0, compresslevel=0))
        diff_id = "sha256:" + hashlib.sha256(plain).hexdigest()
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": [*env]},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
        described = put(OCI_CONFIG, json.dumps(config).encode())
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described.to_json()}
        entry = put(OCI_MANIFEST, json.dumps({**manifest, "layers": [layer.to_json()]}).encode())
        entries.append({**entry.to_json(), "platform": {"os": "linux", "architecture": architecture}})
    entries.append({**entries[0], "platform": {"os": "unknown", "architecture": "unknown"}})
    index = json.dumps({"schemaVersion": 2, "mediaType": index_type, "manifests": entries}).encode()
    put(index_type, index)
    blobs["1"] = (index_type, index)
    return blobs


def known(workshop: Workshop, registry: TokenRegistry) -> Workshop:
    return replace(workshop, logins=Logins([Login("registry", registry.server.url, *registry.login)]))


@pytest.mark.parametrize("index_type", [OCI_INDEX, DOCKER_INDEX])
def test_the_image_of_the_wanted_platform_is_taken_with_a_token(workshop: Workshop, index_type: str) -> None:
    registry = TokenRegistry(served(("arm64", "amd64"), index_type), "ann", "s3cret")
    with registry.server.running():
        reference = f"{registry.server.address}/team/base:1"
        base = find_base(reference, known(workshop, registry), Recorder())
        other = find_base(reference, known(workshop, registry), Recorder(), platform="linux/arm64")

    assert base.probe.architecture == "amd64"
    assert other.probe.architecture == "arm64"
    assert base.reference == reference
    assert all("s3cret" not in path for path, _ in registry.server.requests)


def test_a_platform_that_is_not_offered_is_an_error_that_lists_those_that_are(workshop: Workshop) -> None:
    registry = TokenRegistry(served(("arm64", "s390x")), "ann", "s3cret")
    with registry.server.running(), pytest.raises(ImageError, match=r"linux/arm64, linux/s390x") as refused:
        find_base(f"{registry.server.address}/team/base:1", known(workshop, registry), Recorder())
    assert refused.value.code == "base-not-found"


def test_the_bases_of_several_platforms_are_of_one_index(workshop: Workshop) -> None:
    """The index is read once: the tag may mean another a moment later."""
    blobs = served(("arm64", "amd64"))
    registry = TokenRegistry(blobs, "ann", "s3cret")
    with registry.server.running():
        reference = f"{registry.server.address}/team/base:1"
        platforms, others = ["linux/amd64", "linux/arm64"], ["linux/ppc64le", "linux/amd64", "linux/s390x"]
        bases = find_bases(reference, known(workshop, registry), Recorder(), platforms=platforms)
        with pytest.raises(
            ImageError, match=r"not made for linux/ppc64le and linux/s390x: linux/amd64, linux/arm64"
        ):
            find_bases(reference, known(workshop, registry), Recorder(), platforms=others)

    (index,) = {digest for digest, (kind, _) in blobs.items() if kind == OCI_INDEX and digest != "1"}
    assert bases.digest == index
    assert [base.probe.architecture for base in bases.each] == ["amd64", "arm64"]
    assert len({base.digest for base in bases.each} | {bases.digest}) == 3
    assert sum(path.endswith("/manifests/1") for path, _ in registry.server.requests) <= 4  # with logins


def test_an_image_for_one_platform_alone_is_not_taken_for_another(workshop: Workshop) -> None:
    """Nor is anything large of it fetched."""
    blobs = served(("arm64",))
    (manifest,) = (digest for digest, (kind, _) in blobs.items() if kind == OCI_MANIFEST)
    (layer,) = (digest for digest, (kind, _) in blobs.items() if kind == OCI_LAYER_GZIP)
    registry = TokenRegistry(blobs, "ann", "s3cret")
    with registry.server.running():
        reference = f"{registry.server.address}/team/base@{manifest}"
        with pytest.raises(ImageError, match="made for linux/arm64, not for linux/amd64") as refused:
            find_base(reference, known(workshop, registry), Recorder())
        fitting = find_base(reference, known(workshop, registry), Recorder(), platform="linux/arm64/v8")

    assert (refused.value.code, refused.value.fault) == ("base-not-found", "author")
    assert sum(layer in path for path, _ in registry.server.requests) == 1
    assert fitting.probe.architecture == "arm64"


@pytest.mark.slow
def test_the_host_base_is_for_this_machine_only(tmp_path: Path, host_workshop: HostWorkshop) -> None:
    with pytest.raises(ImageError, match="not for linux/riscv64"):
        find_base("host", host_workshop(tmp_path), Recorder(), platform="linux/riscv64")


def test_a_token_that_expires_during_a_pull_is_requested_again(workshop: Workshop) -> None:
    registry = TokenRegistry(served(), "ann", "s3cret")
    registry.uses_of_the_first_token = 2
    with registry.server.running():
        find_base(f"{registry.server.address}/team/base:1", known(workshop, registry), Recorder())

    assert registry.tokens >= 2


def test_a_broken_pull_goes_on_where_it_stopped(workshop: Workshop) -> None:
    blobs = served()
    registry = TokenRegistry(blobs, "ann", "s3cret")
    layer = next(body for media_type, body in blobs.values() if media_type == OCI_LAYER_GZIP)
    registry.layers_cut_at = [300_000, 100_000]
    registry.busy = 1
    with registry.server.running():
        base = find_base(f"{registry.server.address}/team/base:1", known(workshop, registry), Recorder())

    assert workshop.store.read(base.layers[0].digest) == layer


@pytest.mark.parametrize("what", [OCI_LAYER_GZIP, OCI_MANIFEST])
def test_a_registry_that_lies_is_found_out(workshop: Workshop, what: str) -> None:
    blobs = served()
    lies = {
        k: (t, body[:-1] + b"!") if t == what and k.startswith("sha256:") else (t, body)
        for k, (t, body) in blobs.items()
    }
    registry = TokenRegistry(lies, "ann", "s3cret")
    with registry.server.running(), pytest.raises(ImageError) as refused:
        find_base(f"{registry.server.address}/team/base:1", known(workshop, registry), Recorder())

    assert (refused.value.code, refused.value.fault) == ("digest-mismatch", "outside")


def test_a_mirror_that_lacks_an_image_does_not_hide_its_registry(workshop: Workshop) -> None:
    empty, full = TokenRegistry({}, "ann", "s3cret"), TokenRegistry(served(), "ann", "s3cret")
    with empty.server.running(), full.server.running():
        mirrored = replace(
            workshop,
            mirrors={full.server.address: empty.server.address},
            logins=Logins([Login("registry", item.server.url, *item.login) for item in (empty, full)]),
        )
        base = find_base(f"{full.server.address}/team/base:1", mirrored, Recorder())

    assert base.probe.version == "3.11.2"
    assert empty.server.requests


def test_a_cancelled_pull_leaves_nothing_half_done(workshop: Workshop) -> None:
    class CancelledAtOnce(Recorder):
        def check(self) -> None:
            raise Cancelled

    registry = TokenRegistry(served(), "ann", "s3cret")
    with registry.server.running(), pytest.raises(Cancelled):
        find_base(f"{registry.server.address}/team/base:1", known(workshop, registry), CancelledAtOnce())
