"""Shared access signatures: a query that lets its bearer read or write the files of a container for a while.

The fields are those of Azure's service SAS, so that clients take them as they are; the signature is the studio's own.
`si` names the access token that it was issued to and the workspace: it ends with the token, or with its user's rights.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.utils.crypto import salted_hmac

READ, CREATE, WRITE = "r", "c", "w"
LONGEST = timedelta(hours=24)
_SALT = "studio.azure.blobs.signatures"
_VERSION = "2021-08-06"
_FIELDS = ("sv", "sr", "sp", "se", "si", "sig")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_HOLDER = re.compile(r"([1-9][0-9]{0,17})\.([1-9][0-9]{0,17})")


@dataclass(frozen=True)
class Holder:
    """The access token that a signature was issued to, and the workspace of the container, by their keys."""

    token: int
    workspace: int


def sign(
    container: str, rights: str, holder: Holder, *, lasting: timedelta, now: datetime | None = None
) -> str:
    """Return the query of a signature for a container; `rights` are letters of READ, CREATE and WRITE."""
    until = (now or datetime.now(UTC)) + min(lasting, LONGEST)
    fields = {
        "sv": _VERSION,
        "sr": "c",
        "sp": rights,
        "se": until.astimezone(UTC).strftime(_TIME),
        "si": f"{holder.token}.{holder.workspace}",
    }
    return urlencode(fields | {"sig": _signature(container, fields)})


def check(
    query: Mapping[str, list[str]], container: str, needed: str, *, now: datetime | None = None
) -> Holder | None:
    """Return the holder of a signature that is good for any of the `needed` rights; None if it isn't.

    Every check is always made: the time that it takes says nothing about which of them failed.
    """
    values = {name: query.get(name, []) for name in _FIELDS}
    given = {name: value[0] if len(value) == 1 else "" for name, value in values.items()}
    signature = given.pop("sig")
    genuine = hmac.compare_digest(
        _signature(container, given).encode(), signature.encode("utf-8", "surrogatepass")
    )
    timely = _is_before(now or datetime.now(UTC), given["se"])
    allowed = any(right in given["sp"] for right in needed)
    of_container = hmac.compare_digest(given["sr"].encode("utf-8", "surrogatepass"), b"c")
    holder = _HOLDER.fullmatch(given["si"])
    if not (genuine & timely & allowed & of_container) or holder is None:
        return None
    return Holder(int(holder[1]), int(holder[2]))


def _signature(container: str, fields: Mapping[str, str]) -> str:
    # Lengths are part of it: no value can take on a part of another.
    text = "".join(
        f"{len(value)}:{value}\n" for value in (container, *(fields[name] for name in _FIELDS[:-1]))
    )
    value = salted_hmac(_SALT, text.encode("utf-8", "surrogatepass"), algorithm="sha256").digest()
    return b64encode(value).decode()


def _is_before(now: datetime, until: str) -> bool:
    try:
        return now < datetime.strptime(until, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return False
