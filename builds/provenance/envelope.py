"""Statements in signed envelopes: DSSE, whose signature covers the statement's bytes and their type."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from environments.bounded_json import read_json

PAYLOAD = "application/vnd.in-toto+json"
MOST_BYTES = 64 * 1024**2


class NotVerified(Exception):
    """An envelope that proves nothing; the sentence says why."""


def sealed(statement: Mapping[str, Any], signer: CryptoSigner) -> bytes:
    """Return a statement in an envelope, signed."""
    payload = json.dumps(statement, separators=(",", ":"), sort_keys=True).encode()
    envelope = Envelope(payload, PAYLOAD, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict(), separators=(",", ":"), sort_keys=True).encode()


def opened(content: bytes, keys: Sequence[SSlibKey]) -> tuple[dict[str, Any], str]:
    """Return the statement of an envelope, and the id of the key that signed it. Raises NotVerified."""
    if len(content) > MOST_BYTES:
        raise NotVerified("The envelope is too large.")
    try:
        envelope = Envelope.from_dict(read_json(content))
        payload_type, payload = envelope.payload_type, envelope.payload
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotVerified("The envelope cannot be read.") from error
    if payload_type != PAYLOAD:
        raise NotVerified("The envelope holds no in-toto statement.")
    try:
        accepted = envelope.verify(list(keys), 1) if keys else {}
    except (VerificationError, ValueError) as error:
        raise NotVerified("No key of this studio made the signature.") from error
    if not accepted:
        raise NotVerified("There is no key to verify the signature with.")
    try:
        statement = read_json(payload)
    except (ValueError, RecursionError) as error:
        raise NotVerified("The statement cannot be read.") from error
    if not isinstance(statement, dict):
        raise NotVerified("The statement cannot be read.")
    return statement, next(iter(accepted))
