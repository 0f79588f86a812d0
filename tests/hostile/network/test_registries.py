"""No registry makes the studio read, unpack, follow or wait for more than an answer may be."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.imaging import answers
from builds.imaging.bases.find import find_base
from builds.imaging.oci.manifest import OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.hostile.changing import changed, changes
from tests.hostile.network.registries import Image, Registry, endless, head
from tests.hostile.packages.wheels import Memory

LIMIT = 32 * 1024**2


def refused(answer: Callable[[BaseHTTPRequestHandler], None], workshop: Workshop, match: str) -> ImageError:
    """Return the error that a pull ends in, soon and without much memory, at the registry's fault."""
    began = time.monotonic()
    with Registry(answer).running() as registry, Memory() as memory, pytest.raises(ImageError) as error:
        find_base(f"{registry.address}/team/base:1", workshop, Recorder())
    assert memory.most < LIMIT
    assert time.monotonic() - began < 10
    assert error.value.fault != "studio"
    assert len(str(error.value)) < 1500
    assert re.search(match, f"{error.value} {error.value.detail}")
    return error.value


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br", "deflate", "identity, gzip"])
def test_a_compressed_manifest_is_not_unpacked(encoding: str, workshop: Workshop) -> None:
    pack = {"zstd": zstandard.ZstdCompressor().compress}.get(encoding, gzip.compress)
    body = pack(bytes(48 * 1024**2))

    def answer(to: BaseHTTPRequestHandler) -> None:
        assert to.headers["Accept-Encoding"] == "identity"
        head(to, 200, Content_Encoding=encoding, Content_Length=str(len(body)), Content_Type=OCI_MANIFEST)
        to.wfile.write(body)

    refused(answer, workshop, "is compressed")


def test_a_manifest_without_end_is_cut_off(workshop: Workshop) -> None:
    def answer(to: BaseHTTPRequestHandler) -> None:
        head(to, 200, Content_Type=OCI_MANIFEST)
        endless(to)

    refused(answer, workshop, "longer than 4 MB")


def test_a_manifest_that_trickles_is_cut_off(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_SECONDS", 0.3)

    def answer(to: BaseHTTPRequestHandler) -> None:
        head(to, 200, Content_Type=OCI_MANIFEST)
        while True:
            to.wfile.write(b" ")
            time.sleep(0.05)

    refused(answer, workshop, "takes longer")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_body_of_a_redirect_is_never_read(status: int, workshop: Workshop) -> None:
    def answer(to: BaseHTTPRequestHandler) -> None:
        if to.path == "/elsewhere":
            head(to, 404, Content_Length="0")
        else:
            head(to, status, Location="/elsewhere")
            endless(to)

    refused(answer, workshop, "no image")


def test_redirects_without_end_are_cut_off(workshop: Workshop) -> None:
    refused(lambda to: head(to, 302, Location="/again", Content_Length="0"), workshop, "more than 10 times")


@pytest.mark.parametrize(
    "location", ["http://[", "ftp://x/", "//", "http://\x7f/", "http://x:99999999/", "data:,x"]
)
def test_a_redirect_to_no_address_is_the_registrys_fault(location: str, workshop: Workshop) -> None:
    refused(lambda to: head(to, 302, Location=location, Content_Length="0"), workshop, ".")


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_the_body_of_an_error_is_never_read(status: int, workshop: Workshop) -> None:
    def answer(to: BaseHTTPRequestHandler) -> None:
        head(to, status)
        endless(to)

    refused(answer, workshop, ".")


def challenging(token: Callable[[BaseHTTPRequestHandler], None], realm: str = "/token") -> Any:
    def answer(to: BaseHTTPRequestHandler) -> None:
        if to.path.startswith("/token"):
            token(to)
        else:
            host = to.headers["Host"]
            head(to, 401, WWW_Authenticate=f'Bearer realm="http://{host}{realm}"', Content_Length="0")

    return answer


def test_a_token_without_end_is_cut_off(workshop: Workshop) -> None:
    def token(to: BaseHTTPRequestHandler) -> None:
        head(to, 200)
        endless(to)

    refused(challenging(token), workshop, "longer than 1 MB")


def test_a_token_behind_a_redirect_without_end_is_not_waited_for(workshop: Workshop) -> None:
    def token(to: BaseHTTPRequestHandler) -> None:
        head(to, 302, Location="/nothing")
        endless(to)

    refused(challenging(token), workshop, "does not let the studio")


@pytest.mark.parametrize(
    "body",
    [
        b'{"token": "a\\nX: y"}',
        '{"token": "é"}'.encode(),
        b'{"token": "\\ud800"}',
        b'{"token": "' + b"x" * 100_000 + b'"}',
        b"[" * 100_000,
        b"[]",
        b"{}",
        b"\xff",
        b'{"token": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_token_that_is_none_is_refused(body: bytes, workshop: Workshop) -> None:
    def token(to: BaseHTTPRequestHandler) -> None:
        head(to, 200, Content_Length=str(len(body)))
        to.wfile.write(body)

    refused(challenging(token), workshop, "does not let the studio")


def test_a_challenge_that_slows_its_pattern_is_cut(workshop: Workshop) -> None:
    refused(
        lambda to: head(to, 401, WWW_Authenticate="Bearer " + "a" * 60_000, Content_Length="0"),
        workshop,
        "does not let the studio",
    )


def test_an_honest_image_is_taken(workshop: Workshop) -> None:
    with Registry(Image().answer).running() as registry:
        base = find_base(f"{registry.address}/team/base:1", workshop, Recorder())
    assert base.probe.version == "3.11.2"


@pytest.mark.parametrize(
    ("manifest", "match"),
    [
        (b"[" * 100_000, "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[]", "is no object"),
        (b"null", "is no object"),
        (b"{}", "names no config"),
        (
            {"schemaVersion": 1, "mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"},
            "unknown kind",
        ),
        ({"mediaType": OCI_INDEX, "manifests": [{"digest": "x"}] * 15_000}, "15,000 entries"),
        ({"mediaType": OCI_INDEX, "manifests": [{"digest": "x"}]}, r"manifest"),
        ({"mediaType": OCI_INDEX, "manifests": {"a": 1}}, "nothing"),
        ({"mediaType": OCI_INDEX, "manifests": 5}, "nothing"),
    ],
)
def test_a_manifest_that_is_none_is_the_registrys_fault(
    manifest: Any, match: str, workshop: Workshop
) -> None:
    image = Image()
    image.manifest = manifest
    refused(image.answer, workshop, match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}, "does not read"),
        ({"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"}, "does not read"),
        ({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"}, "does not read"),
        ({"size": -1}, "manifest"),
        ({"size": 10**30}, "manifest"),
        ({"size": "9" * 5000}, "manifest"),
        ({"digest": "sha256:../../../x"}, "manifest"),
        ({"digest": "md5:" + "0" * 32}, "manifest"),
        ({"annotations": 5}, "manifest"),
    ],
)
def test_a_layer_that_no_registry_holds_is_refused(
    change: dict[str, Any], match: str, workshop: Workshop
) -> None:
    image = Image()
    image.manifest = image.written()
    image.manifest["layers"][0] |= change
    image.manifest["layers"][0]["urls"] = ["http://169.254.169.254/latest/meta-data"]
    refused(image.answer, workshop, match)


def test_a_manifest_with_very_many_layers_is_refused_before_a_blob_is_requested(workshop: Workshop) -> None:
    image = Image()
    image.manifest = image.written()
    image.manifest["layers"] *= 10_000
    assert refused(image.answer, workshop, "10,000 layers").code == "too-many-layers"


@pytest.mark.parametrize(
    "config",
    [
        b"[" * 10_000,
        b"[]",
        {"config": {"Env": "PATH=/bin"}},
        {"config": {"Env": [5]}},
        {"config": {"Env": ["PATH=\0"]}},
        {"config": []},
        {"config": {"Labels": ["x"]}},
        {"rootfs": []},
        {"rootfs": {"diff_ids": 5}},
        {"rootfs": {"diff_ids": ["x"]}},
        {"rootfs": {"diff_ids": []}},
        {"architecture": {"x": 1}},
        {"architecture": "x" * 1000},
        {"os": ["linux"]},
        {"history": "x"},
        {"history": ["x"]},
        {"variant": "\ud800"},
    ],
)
def test_a_config_that_is_none_is_the_registrys_fault(config: Any, workshop: Workshop) -> None:
    image = Image()
    image.config = image.config | config if isinstance(config, dict) else config
    assert refused(image.answer, workshop, "").code == "bad-manifest"


def test_a_config_as_large_as_a_layer_is_never_whole_in_memory(workshop: Workshop) -> None:
    image = Image()
    large = image.put(bytes(40 * 1024**2), OCI_LAYER_GZIP)
    workshop.store.put(bytes(40 * 1024**2), OCI_LAYER_GZIP)
    workshop.record_received(large["digest"], private=False)
    image.manifest = image.written() | {"config": large}
    refused(image.answer, workshop, "8,388,608 is the most")
    # A manifest may claim less than what is in the store.
    image.manifest = image.written() | {"config": large | {"size": 100}}
    refused(image.answer, workshop, "8,388,608 is the most")


def test_a_blob_longer_than_its_manifest_claims_is_cut_off(workshop: Workshop) -> None:
    image = Image()
    image.manifest = image.written()
    (digest,) = (layer["digest"] for layer in image.manifest["layers"])

    def answer(to: BaseHTTPRequestHandler) -> None:
        if to.path.endswith(digest):
            head(to, 200)
            endless(to)
        image.answer(to)

    assert refused(answer, workshop, "sends more than").code == "digest-mismatch"
    assert sum(path.stat().st_size for path in workshop.store.path.rglob("*") if path.is_file()) < 1024**2


@pytest.mark.slow
@settings(max_examples=60)
@given(
    drawn=changes(),
    values=st.dictionaries(
        st.sampled_from(["mediaType", "config", "layers", "manifests", "schemaVersion", "platform"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5) | st.sampled_from([OCI_INDEX, OCI_MANIFEST]),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["digest", "size"]), inner)
            ),
            max_leaves=4,
        ),
        max_size=2,
    ),
    config=st.booleans(),
)
def test_any_image_is_taken_or_refused(
    drawn: Any, values: dict[str, Any], config: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "registries"
    workshop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache")
    image = Image()
    if config:
        image.config = changed(json.dumps(image.config | values).encode(), drawn, (b'"', b"["), 4)
    else:
        image.manifest = changed(json.dumps(image.written() | values).encode(), drawn, (b'"', b"["), 4)
    refusal = None
    with Registry(image.answer).running() as registry:
        try:
            find_base(f"{registry.address}/team/base:1", workshop, Recorder())
        except ImageError as error:
            refusal = error
    assert refusal is None or refusal.fault != "studio", refusal
