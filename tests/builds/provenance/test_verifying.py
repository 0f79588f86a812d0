"""Verifying an image: what agrees, and every way in which bytes, signature, subject, lock or bills may not."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone

from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Quiet
from builds.models import Image, SigningKey
from builds.models.provenance import PROVENANCE
from builds.provenance.attesting import attest_image
from builds.provenance.envelope import sealed
from builds.provenance.keys import signer
from builds.provenance.verifying import verify
from tests.builds.distribution import store_image
from tests.builds.imaging.making import recorded
from tests.builds.provenance.conftest import MakeImage, lock_with

pytestmark = pytest.mark.django_db

SITE = "opt/env/lib/python3.11/site-packages"
Change = Callable[[Image, BlobStore], None]


def layer_with(name: str = "numpy", body: bytes = b"x = 1\n", record: bytes | None = None) -> bytes:
    """Return a layer with an installed package, whose RECORD tells the hash of `record`, or else of its body."""
    info = f"{SITE}/{name}-1.0.dist-info"
    files = {
        f"{SITE}/{name}.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/RECORD": f"{name}.py,{recorded(body if record is None else record)},{len(body)}\n".encode(),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def results(image: Image, store: BlobStore) -> dict[str, str]:
    """Return the result of each check, and the sentence of those that failed."""
    checks = list(verify(Image.objects.get(pk=image.pk), store, Quiet()))
    return {check.name: check.message if check.result == "failed" else check.result for check in checks}


def test_an_image_that_the_studio_built_passes_every_check(store: BlobStore, make_image: MakeImage) -> None:
    image = make_image(store_image(store, layer_with()))
    attest_image(image, store)

    assert results(image, store) == dict.fromkeys(
        ("bytes", "signature", "subject", "lock", "bills", "content"), "passed"
    )


def damage_layer(image: Image, store: BlobStore) -> None:
    layer = json.loads(store.read(image.digest))["layers"][0]["digest"]
    store.blob_path(layer).write_bytes(b"something else")


def remove_proof(image: Image, store: BlobStore) -> None:
    image.referrers.all().delete()


def change_payload(image: Image, store: BlobStore) -> None:
    row = image.referrers.get(artifact_type=PROVENANCE)
    envelope = json.loads(store.read(row.content))
    statement = base64.b64decode(envelope["payload"]).replace(b"studio.example", b"elsewhere.test")
    envelope["payload"] = base64.b64encode(statement).decode()
    replace_envelope(image, store, json.dumps(envelope).encode())


def sign_with_another_key(image: Image, store: BlobStore) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    SigningKey.objects.update(public_pem=pem)


def revoke_key(image: Image, store: BlobStore) -> None:
    SigningKey.objects.update(revoked_at=timezone.now())


def attach_of_another_image(image: Image, store: BlobStore) -> None:
    other = store_image(store, layer_with("other"))
    row = image.referrers.get(artifact_type=PROVENANCE)
    manifest = json.loads(store.read(row.digest))
    manifest["subject"]["digest"] = other.digest
    row.digest = store.put(json.dumps(manifest).encode(), "").digest
    row.save()


def change_lock(image: Image, store: BlobStore) -> None:
    lock: dict[str, Any] = dict(image.lock or {})
    lock["packages"][0]["sha256"] = "d" * 64
    image.lock = lock
    image.save()


def add_to_lock(image: Image, store: BlobStore) -> None:
    image.lock = lock_with("numpy", "pandas").model_dump(mode="json")
    image.save()


def replace_bill(image: Image, store: BlobStore) -> None:
    row = image.referrers.exclude(artifact_type=PROVENANCE).first()
    assert row is not None
    row.content = store.put(b"{}", "").digest
    row.save()


def state_other_subject(image: Image, store: BlobStore) -> None:
    row = image.referrers.get(artifact_type=PROVENANCE)
    envelope = json.loads(store.read(row.content))
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["subject"][0]["digest"]["sha256"] = "e" * 64
    replace_envelope(image, store, sealed(statement, signer()))


def state_something_else(image: Image, store: BlobStore) -> None:
    row = image.referrers.get(artifact_type=PROVENANCE)
    statement = json.loads(base64.b64decode(json.loads(store.read(row.content))["payload"]))
    statement["predicateType"] = "https://elsewhere.test/claims/v1"
    replace_envelope(image, store, sealed(statement, signer()))


def replace_envelope(image: Image, store: BlobStore, content: bytes) -> None:
    """Attach another envelope to an image, with a manifest that agrees with it."""
    row = image.referrers.get(artifact_type=PROVENANCE)
    stored = store.put(content, PROVENANCE)
    manifest = json.loads(store.read(row.digest))
    manifest["layers"] = [stored.to_json()]
    row.content, row.digest = stored.digest, store.put(json.dumps(manifest).encode(), "").digest
    row.save()


@pytest.mark.parametrize(
    ("change", "check", "sentence"),
    [
        (damage_layer, "bytes", "is damaged"),
        (remove_proof, "signature", "No provenance is attached"),
        (change_payload, "signature", "No key of this studio made the signature"),
        (sign_with_another_key, "signature", "No key of this studio"),
        (revoke_key, "signature", "no key to verify"),
        (attach_of_another_image, "signature", "about another image"),
        (state_something_else, "signature", "no provenance of SLSA"),
        (state_other_subject, "subject", "is not about"),
        (change_lock, "lock", "lacks 1 files of the lock"),
        (add_to_lock, "content", "Not in the image: pandas 1.0"),
        (replace_bill, "bills", "are not those of the statement"),
    ],
)
def test_what_was_changed_is_noticed(
    store: BlobStore, make_image: MakeImage, change: Change, check: str, sentence: str
) -> None:
    image = make_image(store_image(store, layer_with()))
    attest_image(image, store)

    change(image, store)

    after = results(image, store)
    assert sentence in after[check]
    assert after[check] != "passed"


def test_files_that_are_not_as_recorded_and_packages_that_are_not_in_the_lock_are_named(
    store: BlobStore, make_image: MakeImage
) -> None:
    changed = make_image(store_image(store, layer_with(record=b"what was recorded")))
    attest_image(changed, store)
    named = results(changed, store)["content"]
    changed.lock = lock_with().model_dump(mode="json") | {
        "packages": lock_with("pandas").model_dump()["packages"]
    }
    changed.save()

    assert f"1 files are not as their package recorded them: /{SITE}/numpy.py" in named
    assert results(changed, store)["content"] == "Not in the image: pandas 1.0."


def test_an_envelope_of_nonsense_is_a_failed_signature(store: BlobStore, make_image: MakeImage) -> None:
    image = make_image(store_image(store, layer_with()))
    attest_image(image, store)

    for content in (
        b"",
        b"[]",
        b"{",
        b'{"payload": 1}',
        b"[" * 100_000,
        b'{"payload":"","payloadType":"x","signatures":[]}',
    ):
        replace_envelope(image, store, content)
        assert results(image, store)["signature"] != "passed"
