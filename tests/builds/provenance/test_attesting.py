"""Proof of an image: what is attached to it, signed, and read by a library that did not sign it."""

from __future__ import annotations

import base64
import json
import stat
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from builds.confinement.confine import Confinement, is_read_by_all
from builds.images.store_sweep import sweep
from builds.imaging.child_process import run
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Quiet
from builds.models import Image, Referrer, SigningKey
from builds.models.provenance import PROVENANCE
from builds.provenance.attesting import PLATFORM, attest_image
from builds.provenance.keys import NoKey, signer
from environments.models import Role, Workspace
from tests.builds.distribution import HASH, NAME, add_image, ask, store_image, store_index
from tests.builds.provenance.conftest import MakeImage
from tests.builds.scenarios import person

pytestmark = pytest.mark.django_db

LAYER = b"a layer" * 100


def pae(kind: str, payload: bytes) -> bytes:
    """Return what a DSSE signature signs, by its specification."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def verified(envelope: dict[str, Any]) -> dict[str, Any]:
    """Return the statement of an envelope that the studio's current key signed. Raises InvalidSignature."""
    return opened(envelope, SigningKey.objects.get().public_pem.encode())


def opened(envelope: dict[str, Any], pem: bytes) -> dict[str, Any]:
    """Return the statement of an envelope that this key signed. Raises InvalidSignature."""
    key = load_pem_public_key(pem)
    assert isinstance(key, Ed25519PublicKey)
    payload = base64.b64decode(envelope["payload"])
    (signature,) = envelope["signatures"]
    key.verify(base64.b64decode(signature["sig"]), pae(envelope["payloadType"], payload))
    statement: dict[str, Any] = json.loads(payload)
    return statement


def envelope_of(image: Image, store: BlobStore) -> dict[str, Any]:
    row = image.referrers.filter(artifact_type=PROVENANCE).first()
    assert row is not None
    envelope: dict[str, Any] = json.loads(store.read(row.content))
    return envelope


def test_the_statement_names_subject_materials_builder_and_bills_and_is_signed(
    store: BlobStore, make_image: MakeImage
) -> None:
    image = make_image(store_image(store, LAYER))

    attest_image(image, store)
    envelope = envelope_of(image, store)
    statement = verified(envelope)

    predicate = statement["predicate"]
    bills = {row.content for row in image.referrers.exclude(artifact_type=PROVENANCE)}
    named = {f"sha256:{product['digest']['sha256']}" for product in predicate["runDetails"]["byproducts"]}
    materials = predicate["buildDefinition"]["resolvedDependencies"]
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [
        {"name": NAME, "digest": {"sha256": image.digest.removeprefix("sha256:")}}
    ]
    assert predicate["runDetails"]["builder"]["id"] == "https://studio.example"
    assert predicate["buildDefinition"]["externalParameters"]["definition"] == HASH
    assert [material["digest"]["sha256"] for material in materials] == ["0" * 64, "c" * 64]
    assert len(bills) == 2
    assert named == bills


def test_no_document_holds_a_password_of_an_index(store: BlobStore, make_image: MakeImage) -> None:
    image = make_image(store_image(store, LAYER))

    attest_image(image, store)

    documents = [store.read(row.content) for row in image.referrers.all()]
    statement = base64.b64decode(envelope_of(image, store)["payload"])
    assert len(documents) == 3
    assert all(b"hunter" not in document for document in (*documents, statement))
    assert b"https://index.example/numpy-1.0-py3-none-any.whl" in statement


@pytest.mark.parametrize("change", ["payload", "type", "signature"])
def test_a_changed_envelope_is_noticed_by_another_library(
    store: BlobStore, make_image: MakeImage, change: str
) -> None:
    image = make_image(store_image(store, LAYER))
    attest_image(image, store)
    envelope = envelope_of(image, store)
    if change == "payload":
        forged = base64.b64decode(envelope["payload"]).replace(b"studio.example", b"elsewhere.test")
        envelope["payload"] = base64.b64encode(forged).decode()
    elif change == "type":
        envelope["payloadType"] = "text/plain"
    else:
        envelope["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()

    with pytest.raises(InvalidSignature):
        verified(envelope)


def test_an_index_and_each_of_its_manifests_have_proof_and_the_bills_of_their_platform(
    store: BlobStore, make_image: MakeImage
) -> None:
    index = store_index(store, b"one", b"two", architectures=("amd64", "arm64"))
    image = make_image(index)
    image.platforms = "linux/amd64,linux/arm64"
    lock = image.lock
    for number, platform in enumerate(("linux/amd64", "linux/arm64")):
        image.platform_rows.create(
            platform=platform,
            digest=f"sha256:{number}",
            size=1,
            base_digest=f"sha256:{str(number) * 64}",
            lock={**(lock or {}), "platform": platform},
        )

    attest_image(image, store)

    statement = verified(envelope_of(image, store))
    whole, first, second = (
        image.referrers.filter(subject=f"sha256:{subject['digest']['sha256']}")
        for subject in statement["subject"]
    )
    platforms = [sorted(row.annotations.get(PLATFORM, "") for row in rows) for rows in (whole, first, second)]
    amd, arm = ["linux/amd64"] * 2, ["linux/arm64"] * 2
    assert platforms == [["", *amd, *arm], ["", *amd], ["", *arm]]
    assert statement["subject"][0]["digest"]["sha256"] in index.digest


def test_attesting_again_replaces_what_was_attached(store: BlobStore, make_image: MakeImage) -> None:
    image = make_image(store_image(store, LAYER))

    attest_image(image, store)
    before = set(image.referrers.values_list("digest", flat=True))
    attest_image(image, store)

    assert image.referrers.count() == 3
    assert set(image.referrers.values_list("digest", flat=True)) == before


def test_the_key_is_made_once_and_only_its_owner_reads_it(store: BlobStore, settings: Settings) -> None:
    first, second = signer(), signer()

    assert first.public_key.keyid == second.public_key.keyid
    assert stat.S_IMODE(settings.SIGNING_KEY_FILE.stat().st_mode) == 0o600
    assert SigningKey.objects.get().public_pem.startswith("-----BEGIN PUBLIC KEY-----")
    assert [file.name for file in settings.SIGNING_KEY_FILE.parent.iterdir()] == ["signing-key.pem"]


def test_a_named_key_is_never_made_and_one_that_is_no_key_is_refused(
    store: BlobStore, settings: Settings
) -> None:
    settings.SIGNING_KEY_IS_MADE = False
    with pytest.raises(NoKey, match="cannot be read"):
        signer()
    settings.SIGNING_KEY_FILE.parent.mkdir()
    settings.SIGNING_KEY_FILE.write_text("no key")
    with pytest.raises(NoKey, match="no private key in PEM"):
        signer()


def test_a_revoked_key_signs_no_more(store: BlobStore) -> None:
    signer()
    SigningKey.objects.update(revoked_at=timezone.now())

    with pytest.raises(NoKey, match="revoked"):
        signer()


def test_the_sweep_keeps_what_is_attached_as_long_as_the_image(
    store: BlobStore, make_image: MakeImage
) -> None:
    image = make_image(store_image(store, LAYER))
    attest_image(image, store)
    kept = {
        *image.referrers.values_list("digest", flat=True),
        *image.referrers.values_list("content", flat=True),
    }

    assert not sweep(dry_run=True, grace_seconds=-60).blobs
    image.delete()
    swept = sweep(dry_run=True, grace_seconds=-60)

    assert not Referrer.objects.exists()
    assert kept <= swept.blobs.keys()


def test_the_registry_lists_and_sends_what_is_attached(store: BlobStore, make_image: MakeImage) -> None:
    image = make_image(store_image(store, LAYER))
    attest_image(image, store)
    base = f"/v2/square/{NAME}"

    answer = ask(f"{base}/referrers/{image.digest}")
    only = ask(f"{base}/referrers/{image.digest}?artifactType={PROVENANCE.replace('+', '%2B')}")
    (entry,) = only.json["manifests"]
    manifest = ask(f"{base}/manifests/{entry['digest']}")
    blob = ask(f"{base}/blobs/{manifest.json['layers'][0]['digest']}")
    empty = ask(f"{base}/blobs/{manifest.json['config']['digest']}")

    assert answer.headers["Content-Type"] == "application/vnd.oci.image.index.v1+json"
    assert {each["artifactType"] for each in answer.json["manifests"]} == {
        PROVENANCE,
        "application/vnd.cyclonedx+json",
        "application/spdx+json",
    }
    assert only.headers["OCI-Filters-Applied"] == "artifactType"
    assert (manifest.status, blob.status, empty.body) == (200, 200, b"{}")
    assert manifest.json["subject"]["digest"] == image.digest
    assert manifest.json["artifactType"] == entry["artifactType"] == PROVENANCE
    assert len(manifest.body) == entry["size"]
    assert verified(blob.json)["subject"]


def test_what_has_nothing_attached_is_an_empty_list_and_nonsense_is_refused(
    store: BlobStore, make_image: MakeImage
) -> None:
    image = make_image(store_image(store, LAYER))
    base = f"/v2/square/{NAME}/referrers"

    assert ask(f"{base}/{image.digest}").json["manifests"] == []
    assert ask(f"{base}/sha256:{'0' * 64}").json["manifests"] == []
    assert ask(f"{base}/{image.digest}?artifactType=%00").json["manifests"] == []
    assert ask(f"{base}/sha512:00").status == 400
    assert ask(f"/v2/nowhere/image/referrers/{image.digest}").status == 401


def test_another_workspaces_documents_are_neither_listed_nor_sent(
    store: BlobStore, make_image: MakeImage
) -> None:
    manifest = store_image(store, LAYER)
    image = make_image(manifest)
    attest_image(image, store)
    other = Workspace.objects.create(name="open", title="Open", anonymous_pull=True)
    add_image(other, manifest)
    row = image.referrers.first()
    assert row is not None

    assert ask(f"/v2/open/{NAME}/referrers/{image.digest}").json["manifests"] == []
    assert ask(f"/v2/open/{NAME}/manifests/{row.digest}").status == 404
    assert ask(f"/v2/open/{NAME}/blobs/{row.content}").status == 404


def test_a_confined_process_cannot_read_the_key(store: BlobStore, settings: Settings) -> None:
    signer()
    read = ["/bin/cat", str(settings.SIGNING_KEY_FILE)]

    confined = run(read, Quiet(), timeout=20, env={}, confinement=Confinement())
    free = run(read, Quiet(), timeout=20, env={}, confinement=None)

    assert not is_read_by_all(settings.SIGNING_KEY_FILE)
    assert (confined.code, confined.out) == (1, "")
    assert "PRIVATE KEY" in free.out


def test_anyone_reads_the_public_keys_and_members_also_those_that_were_revoked(
    client: Client, store: BlobStore
) -> None:
    first = signer().public_key.keyid
    current = client.get("/.well-known/studio-signing-key.pem")
    call_command("signing_key", "--revoke", first[:12])
    after = client.get("/.well-known/studio-signing-key.pem")
    client.force_login(person("ann"))
    (listed,) = client.get("/api/v1/signing-keys/").json()

    assert current.content.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert (after.status_code, after.content) == (200, b"")
    assert (listed["key_id"], listed["revoked_at"] is None) == (first, False)
    with pytest.raises(CommandError, match="There is no key"):
        call_command("signing_key", "--revoke", "0" * 12)


def test_the_image_and_its_api_show_what_is_attached(
    client: Client, store: BlobStore, make_image: MakeImage
) -> None:
    image = make_image(store_image(store, LAYER))
    attest_image(image, store)
    client.force_login(person("ann", square=Role.READER))
    path = f"w/square/images/{image.digest}/"

    page = client.get(f"/{path}").content.decode()
    shown = client.get(f"/api/v1/workspaces/square/images/{image.digest}/").json()

    assert "Provenance (SLSA), signed" in page
    assert f"manage.py verify {image.digest}" in page
    assert len(shown["referrers"]) == 3
    assert (shown["import_test"], shown["smoke_test"]) == (None, None)


def test_commands_attest_verify_and_name_images(
    store: BlobStore, make_image: MakeImage, capsys: pytest.CaptureFixture[str]
) -> None:
    image = make_image(store_image(store, LAYER))
    codes = []
    for argv in (
        ("verify", image.digest),  # nothing attached yet
        ("attest",),
        ("attest", "--again", "--json"),
        ("verify", f"square/{NAME}", "--json"),
        ("verify", f"localhost:8000/square/{NAME}@{image.digest}"),
    ):
        with pytest.raises(SystemExit) as ended:
            call_command(*argv)
        codes.append(ended.value.code)
    with pytest.raises(CommandError, match="There is no image square/nothing:1"):
        call_command("verify", "square/nothing:1")

    # Its layer is no tar, so what is in it cannot be read.
    assert codes == [1, 0, 0, 1, 1]
    assert '"name": "signature", "result": "passed"' in capsys.readouterr().out
