"""A line that pip or conda cannot read, written as its author meant it."""

from __future__ import annotations

import re
from contextlib import suppress

_INSTALL = re.compile(r"(?:python3? -m )?pip3? install\s+(?=[A-Za-z0-9])")
_INVISIBLE = re.compile("[\u00a0\u200b\u200c\u200d\u2060\ufeff]+")
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_QUOTED = re.compile(r"(?P<sign>[\"'])(?P<text>[^\"']+)(?P=sign)")
_SWAPPED = {"=>": ">=", "=<": "<=", "=!": "!=", "<>": "!=", "=~": "~="}
_GUESSED = {"~>": "~=", "^": ">=", "~": "~="}
_SWAP = re.compile(r"=>|=<|=!|<>|=~")
_GUESS = re.compile(r"~>|\^|~(?!=)")
_NO_COMMA = re.compile(r"(?<=[0-9*])\s+(?=[<>!~=]=?\s*[0-9])")
_NO_OPERATOR = re.compile(r"([A-Za-z][\w.-]*(?:\[[^\]]*\])?)\s+(\d[\w.]*(?:\.\*)?)")
_STAR = re.compile(r"(?<=[<>])(=?\s*\d+(?:\.\d+)*)\.\*")
_ONE_PART = re.compile(r"~=\s*(\d+)(?=\s*(?:,|$))")
_OF_CONDA = {"=>": ">=", "=<": "<=", "=!": "!=", "<>": "!=", "~>": "~=", "===": "=="}
_SWAP_OF_CONDA = re.compile("|".join(sorted(map(re.escape, _OF_CONDA), key=len, reverse=True)))


def corrected_pip(text: str) -> tuple[str, bool]:
    """Return a requirement as pip reads it, and whether it is surely what was meant; empty where nothing is likely."""
    bare, sign, marker = text.partition(";")
    certain = _INVISIBLE.sub(" ", _INSTALL.sub("", bare.translate(_STRAIGHT))).strip().rstrip(",; ")
    quoted = _QUOTED.fullmatch(certain)
    certain = quoted["text"].strip() if quoted else certain
    certain = _NO_COMMA.sub(",", _SWAP.sub(lambda match: _SWAPPED[match[0]], certain))
    guessed = _GUESS.sub(lambda match: _GUESSED[match[0]], certain)
    guessed = _ONE_PART.sub(r"~=\1.0", _STAR.sub(r"\1", guessed))
    alone = _NO_OPERATOR.fullmatch(guessed)
    guessed = f"{alone[1]}=={alone[2]}" if alone else guessed
    tail = f"{sign}{marker}" if marker.strip() else ""
    for candidate, safe in ((certain + tail, True), (guessed + tail, False)):
        if candidate != text and _is_requirement(candidate):
            return candidate, safe
    return "", False


def corrected_conda(text: str) -> tuple[str, bool]:
    """Return a specification as conda reads it, and whether it is surely what was meant; empty where nothing is likely."""
    bare = _INVISIBLE.sub(" ", text).strip().rstrip(",; ")
    bare = _SWAP_OF_CONDA.sub(lambda match: _OF_CONDA[match[0]], bare)
    return (bare, True) if bare != text and bare else ("", False)


def _is_requirement(text: str) -> bool:
    # Loaded here and not above: files without a mistake do without it.
    from packaging.requirements import InvalidRequirement, Requirement

    with suppress(InvalidRequirement, RecursionError):
        Requirement(text)
        return True
    return False
