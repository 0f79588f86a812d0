"""Pushing what is attached to an image: to a registry without the referrers API, and to one that has it."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import oras.client
import pytest

from builds.imaging import registry_client
from builds.imaging.oci import index
from builds.imaging.oci.manifest import OCI_INDEX
from builds.imaging.oci.referrers import Attachment, attach, fallback_tag
from builds.imaging.publish.push import push
from builds.imaging.publish.referrers import push_attachments
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from builds.worker.publish import push_proof
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.publish.test_push import image_of
from tests.services.processes import free_port
from tests.services.servers.failing_registry import FailingRegistry
from tests.services.servers.registry import Registry

BILL = "application/vnd.cyclonedx+json"


@pytest.fixture
def name(tmp_path: Path) -> str:
    return f"proof/{tmp_path.name.replace('_', '-')}"


@pytest.fixture
def pushed(workshop: Workshop, tmp_path: Path, registry: Registry, name: str) -> Attachment:
    """An image in a registry of Debian, which has no referrers API, and a document that is attached to it."""
    image = image_of(workshop, tmp_path, "one")
    push(image.descriptor, f"{registry.address}/{name}:1", workshop, Recorder())
    bill = workshop.store.put(b'{"bomFormat": "CycloneDX"}', BILL)
    attachment = attach(workshop.store, image.descriptor, bill, {"made": "first"})
    push_attachments([attachment], f"{registry.address}/{name}:1", workshop, Recorder())
    return attachment


def listed_in(registry: Registry, name: str, subject: str) -> list[dict[str, Any]]:
    address = f"{registry.url}/v2/{name}/manifests/{fallback_tag(subject)}"
    answer = httpx.get(address, headers={"Accept": OCI_INDEX}, trust_env=False)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["manifests"]
    return entries


def test_without_the_referrers_api_a_tag_lists_what_is_attached_beside_what_others_attached(
    workshop: Workshop, registry: Registry, name: str, pushed: Attachment
) -> None:
    second = attach(
        workshop.store, index.image_of(workshop.store, pushed.subject), pushed.content, {"made": "again"}
    )
    push_attachments([second], f"{registry.address}/{name}:1", workshop, Recorder())
    push_attachments([pushed], f"{registry.address}/{name}:1", workshop, Recorder())

    entries = listed_in(registry, name, pushed.subject)

    assert [entry["digest"] for entry in entries] == [pushed.descriptor.digest, second.descriptor.digest]
    assert {entry["artifactType"] for entry in entries} == {BILL}
    assert entries[0]["annotations"] == {"made": "first"}


def test_documents_of_another_image_take_nine_requests(
    workshop: Workshop, tmp_path: Path, registry: Registry, name: str, pushed: Attachment
) -> None:
    image = image_of(workshop, tmp_path, "two")
    other = f"{name}-other"
    push(image.descriptor, f"{registry.address}/{other}:1", workshop, Recorder())
    documents = [workshop.store.put(text, BILL) for text in (b'{"a": 1}', b'{"b": 2}')]
    attachments = [attach(workshop.store, image.descriptor, document) for document in documents]
    before = registry.log.read_text()

    push_attachments(attachments, f"{registry.address}/{other}:1", workshop, Recorder())

    lines = registry.log.read_text().removeprefix(before).splitlines()
    methods = Counter(re.findall(rf'"([A-Z]+) /v2/{other}/', "\n".join(lines)))
    # The empty config is mounted, each document is two requests, its manifest one, and their list is read and written.
    assert methods == {"POST": 1 + 2, "PUT": 2 + 2 + 1, "GET": 1}
    assert len(listed_in(registry, other, image.digest)) == 2


class WithReferrers(FailingRegistry):
    """Answers as a registry with the referrers API does: it names the subject of a manifest that it took."""

    def forward(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if request.command == "PUT" and b'"subject"' in body:
            end = request.end_headers

            def end_with_subject() -> None:
                request.send_header("OCI-Subject", json.loads(body)["subject"]["digest"])
                end()

            request.end_headers = end_with_subject  # type: ignore[method-assign]
        super().forward(request, body)


def test_with_the_referrers_api_no_tag_is_made(
    workshop: Workshop, tmp_path: Path, registry: Registry, name: str
) -> None:
    image = image_of(workshop, tmp_path, "one")
    attachment = attach(workshop.store, image.descriptor, workshop.store.put(b"{}", BILL))
    with WithReferrers(registry, "503", 0).running() as proxy:
        push(image.descriptor, f"{proxy.address}/{name}:1", workshop, Recorder())
        push_attachments([attachment], f"{proxy.address}/{name}:1", workshop, Recorder())

    assert registry.tags(name) == ["1"]
    address = f"{registry.url}/v2/{name}/manifests/{attachment.descriptor.digest}"
    answer = httpx.get(address, headers={"Accept": attachment.descriptor.media_type}, trust_env=False)
    assert answer.json()["subject"]["digest"] == image.digest


def test_oras_and_skopeo_read_what_was_attached(
    tmp_path: Path, registry: Registry, name: str, pushed: Attachment
) -> None:
    client = oras.client.OrasClient(insecure=True, hostname=registry.address)
    files = client.pull(
        target=f"{registry.address}/{name}@{pushed.descriptor.digest}", outdir=str(tmp_path / "pulled")
    )
    copied = subprocess.run(
        [
            *("skopeo", "copy", "--src-tls-verify=false"),
            f"docker://{registry.address}/{name}@{pushed.descriptor.digest}",
            f"oci:{tmp_path / 'copied'}:bill",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    inspected = subprocess.run(
        [
            *("skopeo", "inspect", "--raw", "--tls-verify=false"),
            f"docker://{registry.address}/{name}:{fallback_tag(pushed.subject)}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert json.loads(inspected.stdout)["manifests"][0]["digest"] == pushed.descriptor.digest
    assert [json.loads(Path(file).read_text()) for file in files] == [{"bomFormat": "CycloneDX"}]
    assert copied.returncode == 0, copied.stderr


def test_a_registry_that_takes_no_documents_keeps_nobody_from_pushing_images(
    workshop: Workshop, pushed: Attachment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_client, "ATTEMPTS", 1)  # it is away for good
    reporter = Recorder()

    push_proof([pushed], f"127.0.0.1:{free_port()}/lab/image:1", workshop, reporter)

    assert reporter.lines[-1].startswith("Warning: The registry does not take the image's proof.")


def test_a_list_that_somebody_broke_is_an_error_that_names_the_tag(
    workshop: Workshop, registry: Registry, name: str, pushed: Attachment
) -> None:
    address = f"{registry.url}/v2/{name}/manifests/{fallback_tag(pushed.subject)}"
    own = workshop.store.read(pushed.descriptor.digest)
    httpx.put(
        address,
        content=own,
        headers={"Content-Type": pushed.descriptor.media_type},
        trust_env=False,
    ).raise_for_status()
    another = attach(
        workshop.store, index.image_of(workshop.store, pushed.subject), pushed.content, {"made": "again"}
    )

    with pytest.raises(ImageError, match="cannot be read"):
        push_attachments([another], f"{registry.address}/{name}:1", workshop, Recorder())
