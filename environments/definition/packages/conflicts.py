"""A conflict between packages as rows, out of the solvers' own explanations: uv's prose and rattler's tree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

YOU = ""
"""The side of a row that is the definition's own request."""
MOST_ROWS = 8
_LONGEST = 20_000
_SPEC = r"[A-Za-z0-9][\w.-]*(?:\[[\w,.-]*\])?(?:[<>=!~][^\s,]+(?:,\s?[<>=!~][^\s,]+)*)?"
_REQUIRE = re.compile(rf"(?<!conclude that )\b(?:you require|your project requires) ({_SPEC})")
_DEPENDS = re.compile(rf"(?<!\S)({_SPEC}) depends on ({_SPEC})")
_BRANCHES = " \t│├└─"
_TOP = re.compile(r"(.+?)(?: can(?:not)? be installed|, which| does not exist| is locked|,? for which)")
_REQUIRES = re.compile(r"(.+?) would require$")


@dataclass(frozen=True, slots=True)
class Row:
    """One side of a conflict: what is requested, and by which package; `who` is empty for the definition itself."""

    who: str
    what: str


def rows_of(explanation: str) -> list[Row]:
    """Return the sides of a conflict, the definition's own first; none where the text has another form."""
    text = explanation[:_LONGEST]
    rows = _of_rattler(text.splitlines()) if re.search(r"[├└]─", text) else _of_uv(" ".join(text.split()))
    unique = list(dict.fromkeys(rows))
    return sorted(unique, key=lambda row: row.who != YOU)[:MOST_ROWS]


def sentence_of(rows: Sequence[Row]) -> str:
    """Return the conflict in one sentence; empty without both a request and a need."""
    own = next((row for row in rows if row.who == YOU), None)
    needs = [row for row in rows if row.who != YOU]
    if own is None or not needs:
        return ""
    need = next((row for row in needs if _name(row.what) == _name(own.what)), None)
    if need is None:
        own, need = _matching(rows) or (own, needs[0])
    if own.who == YOU:
        return f"you request {own.what}, but {need.who} needs {need.what}"
    return f"{own.who} needs {own.what}, but {need.who} needs {need.what}"


def suggestion_of(rows: Sequence[Row]) -> str:
    """Return what would end the conflict, as far as its sides tell; empty where they do not."""
    pairs = [
        (own, need)
        for own in rows
        for need in rows
        if own.who == YOU and need.who != YOU and _name(own.what) == _name(need.what)
    ]
    if not pairs:
        return ""
    own, need = pairs[0]
    constraint = need.what[len(_name(need.what)) :].strip()
    if not constraint:
        return ""
    return f"Change {_name(own.what)} to a version that fits {constraint}, or choose another version of {_name(need.who)}."


def _of_uv(text: str) -> list[Row]:
    rows = [Row(YOU, _bare(match[1])) for match in _REQUIRE.finditer(text)]
    derived = set()
    for match in _DEPENDS.finditer(text):
        who, what = _bare(match[1]), _bare(match[2])
        rows.append(Row(who, what))
        derived.add(what)
    # "you require" is also written of what follows from a package: that is the package's need.
    return [row for row in rows if row.who != YOU or row.what not in derived]


def _of_rattler(lines: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    requiring = ""
    for line in lines:
        text = line.lstrip(_BRANCHES)
        lead = line[: len(line) - len(text)]
        if "─" not in lead:
            continue
        text = text.strip().rstrip(":")
        if requires := _REQUIRES.fullmatch(text):
            requiring = _bare(requires[1])
        elif len(lead.rstrip(" ")) <= 3 and (top := _TOP.match(text)):
            rows.append(Row(YOU, _bare(top[1])))
            requiring = ""
        elif requiring and ", which" in text:
            rows.append(Row(requiring, _bare(text.partition(", which")[0])))
        elif requiring and (need := _TOP.match(text)):
            rows.append(Row(requiring, _bare(need[1])))
    return rows


def _matching(rows: Sequence[Row]) -> tuple[Row, Row] | None:
    for first in rows:
        for second in rows:
            if first is not second and second.who != YOU and _name(first.what) == _name(second.what):
                return first, second
    return None


def _bare(text: str) -> str:
    return text.strip().rstrip(",.:;").strip()[:120]


def _name(text: str) -> str:
    match = re.match(r"[A-Za-z0-9_][\w.-]*", text)
    return match[0].lower() if match else text
