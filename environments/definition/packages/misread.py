"""Why a text is no requirement of pip's, in the words of its author's mistake and not in a parser's."""

from __future__ import annotations

import re

_WRITE = "Write name, name==1.2, name>=1.2,<2 or name @ https://…"
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[([^\[\]]*)\]\s*)?")
_OPERATOR = re.compile(r"(===|~=|==|!=|<=|>=|<|>)\s*")
_WRONG_OPERATORS = {
    "=>": ">=",
    "=<": "<=",
    "=!": "!=",
    "<>": "!=",
    "~>": "~=",
    "=~": "~=",
    "=": "==",
    "^": ">=",
    "~": "~=",
}
_WRONG = re.compile(r"(=>|=<|=!|<>|~>|=~|=(?!=)|\^|~(?!=))\s*")
_LETTERS = re.compile(r"(\d+(?:\.\d+)*)([a-z])(?![\w.])")
_CURLY = re.compile("[\u2018\u2019\u201c\u201d]")
_LONGEST = 60


def why_not(text: str) -> tuple[str, str]:
    """Return why pip cannot read this requirement, and what to do."""
    hidden = next((sign for sign in text if not sign.isprintable()), "")
    if hidden:
        return (
            f"it holds an invisible character, U+{ord(hidden):04X}",
            "Remove the character, or write the line again.",
        )
    curly = _CURLY.search(text)
    if curly:
        return f"{curly[0]} is no quotation mark of pip's", "Write straight quotation marks."
    name = _NAME.match(text)
    if name is None:
        return "it does not begin with a package's name", _WRITE
    rest = text[name.end() :]
    if rest.startswith("["):
        return "a [ of its extras has no ] that closes it", "Write name[extra]==1.2."
    if rest.startswith(";") or not rest:
        return _marker(rest)
    if rest.startswith("@"):
        return (
            "its address or marker cannot be read",
            "Write name @ https://…, and a blank before a ; that follows.",
        )
    wrong = _WRONG.match(rest)
    if wrong:
        right = _WRONG_OPERATORS[wrong[1]]
        return f"{wrong[1]} is no operator of pip's", f"Write {name[1]}{right}{_short(rest[wrong.end() :])}."
    if not _OPERATOR.match(rest):
        return _behind_the_name(name[1], rest)
    return _versions(name[1], rest)


def _versions(name: str, rest: str) -> tuple[str, str]:
    wanted, sign, marker = rest.partition(";")
    for part in wanted.strip().strip("()").split(","):
        operator = _OPERATOR.match(part.strip())
        if operator is None:
            wrong = _WRONG.match(part.strip())
            if wrong:
                return f"{wrong[1]} is no operator of pip's", f"Write {_WRONG_OPERATORS[wrong[1]]} instead."
            what = f"{_short(part)!r} has no operator" if part.strip() else "a comma has no version beside it"
            return what, f"Write {name}>=1.2,<2: an operator before each version, and a comma between them."
        version = part.strip()[operator.end() :].strip()
        if (problem := _version(name, operator[1], version)) is not None:
            return problem
    return _marker(sign + marker)


def _version(name: str, operator: str, version: str) -> tuple[str, str] | None:
    from packaging.version import InvalidVersion, Version

    if operator == "===":
        return None if version and not version.split()[1:] else ("=== needs one version", _WRITE)
    bare = version.removesuffix(".*")
    if not version:
        return f"there is no version after {operator}", f"Write {name}{operator}1.2."
    if " " in version:
        return (
            f"{_short(version)!r} is more than a version",
            f"Write {name}>=1.2,<2: a comma between two versions, and a ; before a marker.",
        )
    try:
        Version(bare)
    except InvalidVersion:
        letters = _LETTERS.fullmatch(bare)
        instead = f"{letters[1]}.{ord(letters[2]) - 96}" if letters else "1.2"
        return (
            f"{_short(version)!r} is no version that pip reads: versions are numbers with dots between (PEP 440)",
            f"Write the version as the index lists it, such as {name}{operator}{instead}.",
        )
    if version != bare and operator not in ("==", "!="):
        return (
            f".* cannot follow {operator}",
            f"Write {name}{operator}{_short(bare)}, or {name}=={_short(version)}.",
        )
    if operator == "~=" and "." not in bare:
        return "~= needs a version of two parts at least", f"Write {name}~={_short(bare)}.0."
    return None


def _behind_the_name(name: str, rest: str) -> tuple[str, str]:
    if re.match(r"\d", rest):
        version = rest.split(";")[0].split()[0].rstrip(",")
        return "there is no operator between the name and the version", f"Write {name}=={_short(version)}."
    return (
        f"nothing that pip reads begins with {_short(rest)!r} after the name",
        "Write each package on a line of its own, as name or name==1.2.",
    )


def _marker(rest: str) -> tuple[str, str]:
    if rest.strip(" ;"):
        return (
            f"the marker {_short(rest.strip(' ;'))!r} cannot be read",
            'Write a condition after the ;, such as ; python_version < "3.12".',
        )
    if rest:
        return "there is no marker after the ;", "Write a condition after the ;, or leave the ; out."
    return "its extras cannot be read", "Write name[extra] or name[first,second]."


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
