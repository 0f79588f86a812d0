"""Encryption of a few texts, which a copy of the database alone does not reveal."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class DecryptionError(Exception):
    """A sealed text that none of the keys opens."""


def seal(text: str) -> str:
    """Encrypt a text with the first key."""
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt a text with the key that sealed it. Raises DecryptionError."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise DecryptionError from error


def reseal(sealed: str) -> str:
    """Encrypt a sealed text again, with the first key. Raises DecryptionError."""
    try:
        return _keys().rotate(sealed.encode()).decode()
    except InvalidToken as error:
        raise DecryptionError from error


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(_derived_key(key)) for key in settings.ENCRYPTION_KEYS])


def _derived_key(key: str) -> bytes:
    # Keys are long random texts of any form; Fernet needs 32 bytes, for this purpose alone.
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"environment studio: connections")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
