"""Keeping a few texts so that whoever has the database alone cannot read them."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unreadable(Exception):
    """What was sealed cannot be opened with any of the keys there are."""


def seal(text: str) -> str:
    """Return the text encrypted with the first key."""
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Return the text that was sealed with any of the keys."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def reseal(sealed: str) -> str:
    """Return the same text, sealed with the first key."""
    try:
        return _keys().rotate(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in settings.ENCRYPTION_KEYS])


def _derived(key: str) -> bytes:
    # Keys are long and random texts of any form: what is needed is 32 bytes for this purpose alone.
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"environment studio: connections")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
