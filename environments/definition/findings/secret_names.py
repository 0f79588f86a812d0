"""Which variables hold a secret, by their names and values, and which only have a name that speaks of one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Judgement = Literal["secret", "suspected", ""]

_LONGEST_NAME = 200
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TERM = re.compile(
    r"(?:^|_)(?P<term>pass(?:word|wd|phrase)?|passwords|pwd|secret|token|api_?key|access_?key|account_?key|private_?key"
    r"|credentials?|conn(?:ection)?_?str(?:ing)?|sas)(?=_|$)"
)
# A name that goes on with one of these is that of something about a secret: where it is, how long it may be.
_ABOUT = frozenset(
    """name names header headers version file files path paths dir directory folder location length len size count limit
    limits max min budget ttl timeout expiry expires expiration lifetime age type types kind provider manager store helper
    id ids prompt format regex pattern policy algorithm alg algo prefix suffix url uri endpoint host hostname port scope
    scopes env var variable field param parameter required enabled disabled backend service class mode index dim hint
    label title description rotation hasher hashing encoding strategy usage rate cost cache audience issuer source user
    username owner vault ref reference arn validators validation reset bits separator delimiter column ids""".split()
)
# Tokens of language models, and numbers of them.
_OF_TEXT = frozenset(
    """max min num n number total eos bos pad padding unk unknown sep separator cls mask stop start begin end special image
    audio video encoder decoder fim im eot sot eod per""".split()
)
_WHETHER = frozenset(
    "require requires use uses enable disable allow skip has is no show hide reset forgot ask num".split()
)
_LENIENT = frozenset(("token", "credential", "credentials"))
_NO_SECRETS = frozenset(
    ("", "true", "false", "none", "null", "0", "1", "yes", "no", "changeme", "placeholder")
)
_VARIABLE = re.compile(r"\$\{?\w+\}?|\$\{\{.*\}\}|\{\{.*\}\}|<[^>]*>|%\w+%|\*+|")
_SPECIAL_TOKEN = re.compile(r"\[[A-Za-z_]{1,20}\]")
_SMALL_NUMBER = re.compile(r"[-+]?\d{1,6}(?:\.\d{1,6})?")
_PLAIN_WORDS = re.compile(r"[A-Za-z]{1,15}(?:[-_. ][A-Za-z]{1,15}){0,3}")
_RUN = re.compile(r"[A-Za-z0-9+/]{16,}")
_CHANGE = re.compile(r"[A-Za-z](?=\d)|\d(?=[A-Za-z])")
_LONGEST_VALUE = 4096
_DECLARED = re.compile(r"(?i)#[ \t]{0,20}not[ -]a[ -]secret\b")


def judged(name: str, value: str) -> Judgement:
    """Return whether a variable seems to hold a secret by its name, perhaps holds one, or does not."""
    plain = value.strip().strip("\"'")
    if is_placeholder(plain) or plain.lower() in _NO_SECRETS or plain.startswith(("$", "/", "{{")):
        return ""
    label = "_".join(_HUMPS.findall(name[:_LONGEST_NAME])).lower()
    terms = list(_TERM.finditer(label))
    if not terms:
        return ""
    last = terms[-1]
    before = label[: last.start()].split("_")
    term, after = last["term"], frozenset(label[last.end() :].split("_"))
    if after & _ABOUT or before[-1] in (_OF_TEXT | _WHETHER if term == "token" else _WHETHER):
        return "suspected" if looks_random(plain) else ""
    if term in _LENIENT:
        if _SPECIAL_TOKEN.fullmatch(plain):
            return ""
        if _SMALL_NUMBER.fullmatch(plain) or _PLAIN_WORDS.fullmatch(plain):
            return "suspected"
    return "secret"


def is_placeholder(value: str) -> bool:
    """Return whether something else is to be put in this value's place: `$TOKEN`, `<password>`, asterisks."""
    return _VARIABLE.fullmatch(value) is not None


def looks_random(value: str) -> bool:
    """Return whether letters and digits are mixed as in a key that a machine made."""
    return any(len(_CHANGE.findall(run)) >= 3 for run in _RUN.findall(value[:_LONGEST_VALUE]))


def declared_harmless(lines: Sequence[str], number: int | None) -> bool:
    """Return whether a comment on this line, or alone on the line above, says `not a secret`; lines count from 1."""
    if number is None or not 0 < number <= len(lines):
        return False
    above = lines[number - 2].lstrip() if number > 1 else ""
    return _DECLARED.search(lines[number - 1]) is not None or (
        above.startswith("#") and _DECLARED.match(above) is not None
    )
