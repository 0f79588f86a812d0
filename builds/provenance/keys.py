"""The studio's signing key: a file that only workers read. Its public part is a row, which everybody may read."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from django.conf import settings
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import CryptoSigner, SSlibKey

from builds.models import SigningKey

MOST_BYTES = 64 * 1024


class NoKey(Exception):
    """There is no key to sign with; the sentence says why."""


def signer() -> CryptoSigner:
    """Return what signs with the studio's key, which is made if there is none yet. Raises NoKey."""
    file: Path = settings.SIGNING_KEY_FILE
    try:
        text = _kept(file) if settings.SIGNING_KEY_IS_MADE else file.read_bytes()
        private = load_pem_private_key(text[:MOST_BYTES], None)
        # The library names the kinds of keys that it cannot sign with.
        result = CryptoSigner(private)
    except OSError as error:
        raise NoKey(f"The signing key {file} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError, UnsupportedAlgorithm, UnsupportedLibraryError) as error:
        raise NoKey(
            f"The signing key {file} is no private key in PEM, without a password, to sign with."
        ) from error
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if _registered(result.public_key.keyid, public.decode()).revoked_at is not None:
        raise NoKey(f"The signing key {file} was revoked. Replace the file.")
    return result


def public_keys(*, revoked: bool = False) -> list[SigningKey]:
    """Return the keys that signatures are verified with, the newest first; on request also the revoked ones."""
    keys = SigningKey.objects.all()
    return list(keys if revoked else keys.filter(revoked_at=None))


def loaded(key: SigningKey) -> SSlibKey:
    """Return a key as the library verifies with it."""
    return key_from_pem(key.public_pem.encode())


def key_from_pem(text: bytes) -> SSlibKey:
    """Return a public key in PEM as the library verifies with it. Raises ValueError."""
    try:
        return SSlibKey.from_crypto(load_pem_public_key(text[:MOST_BYTES]))
    except (UnsupportedAlgorithm, UnsupportedLibraryError, TypeError) as error:
        raise ValueError(str(error)) from error


def _registered(key_id: str, pem: str) -> SigningKey:
    """Return the row of a public key, which is written when the key first signs."""
    row = SigningKey.objects.filter(pk=key_id).first()
    if row is None:
        row, _ = SigningKey.objects.get_or_create(pk=key_id, defaults={"public_pem": pem})
    return row


def _kept(file: Path) -> bytes:
    """Return the key in a file, which is made the first time."""
    with suppress(FileNotFoundError):
        return file.read_bytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and linked into place: workers that start at once agree on one key.
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_bytes(CryptoSigner.generate_ed25519().private_bytes)
    try:
        file.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return file.read_bytes()
