"""Secrets are found, refused or masked; no message, hash or output holds their values (rules 43, 44)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from environments.definition.findings.catalogue import CATALOGUE
from environments.definition.findings.secret_names import (
    Judgement,
    declared_harmless,
    is_placeholder,
    judged,
    looks_random,
)
from environments.definition.syntax.text import Placed

if TYPE_CHECKING:
    from environments.definition.findings.result import Draft

__all__ = ["holds_secret", "is_placeholder", "is_secret_variable", "masked", "masked_script", "masked_values"]

MASK = "****"
_IF_NONE = "If it is none, write `# not a secret` behind it; in a Dockerfile, on the line above."
# Every pattern begins with a fixed word or at the start of a word, so that a line of a megabyte is read once.
_IN_URL = re.compile(r"(://[^\s/@:\"'<>]*:)([^\s/@\"'<>]+)(@)")
_USER_ONLY = re.compile(r"(https?://)([A-Za-z0-9_-]{20,})(@)")
_CONDA_TOKEN = re.compile(r"(/t/)([A-Za-z0-9][A-Za-z0-9_-]{5,})(/)")
_QUERY = re.compile(
    r"([?&](?:sig|token|access_token|api_key|apikey|password|secret|X-Amz-Signature)=)([^&\s\"']+)", re.I
)
_KNOWN = re.compile(
    r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[\w-]{20,}|AKIA[0-9A-Z]{16}|hf_[A-Za-z0-9]{30,}"
    r"|pypi-[\w-]{50,}|sk-[A-Za-z0-9_-]{32,}|xox[abp]-[\w-]{20,}|AIza[\w-]{35}|npm_[A-Za-z0-9]{36}|dapi[0-9a-f]{32}"
    r"|[sr]k_live_[A-Za-z0-9]{20,}|hvs\.[\w-]{20,}|AccountKey=[A-Za-z0-9+/=]{20,}"
    r"|(?<![\w.-])eyJ[\w-]{15,2000}\.eyJ[\w-]{15,2000}\.[\w-]{15,2000})"
)
_NAMED = re.compile(r"""[ \t]*+["']?([A-Za-z_][\w-]*)["']?[ \t]*+[:=][ \t]*+(\S.*)""")
_LONGEST_LINE = 4096
_ASSIGNMENT = re.compile(r"(?<![\w-])([A-Za-z_][\w-]*)=(?!=)(\"[^\"]*\"|'[^']*'|\S+)")


def masked(text: str) -> str:
    """Mask the secrets that are recognised by their form: passwords in URLs, known tokens."""
    shown = str(text)
    for pattern in (_IN_URL, _CONDA_TOKEN):
        shown = pattern.sub(lambda m: m[0] if is_placeholder(m[2]) else m[1] + MASK + m[3], shown)
    # A name alone (`oauth2accesstoken@`) is no secret; a token in its place is.
    shown = _USER_ONLY.sub(lambda m: m[1] + MASK + m[3] if looks_random(m[2]) else m[0], shown)
    shown = _QUERY.sub(lambda m: m[0] if is_placeholder(m[2]) else m[1] + MASK, shown)
    return _KNOWN.sub(MASK, shown)


def masked_script(text: str) -> str:
    """Mask the secrets of shell or Dockerfile text, including values of variables with telling names."""
    return _ASSIGNMENT.sub(_masked_assignment, masked(text))


def holds_secret(text: str) -> bool:
    """Whether masking would change the text."""
    return masked(text) != text


def judged_variable(name: str, value: str) -> Judgement:
    """Return whether a variable holds a secret by its name or by the form of its value, or perhaps holds one."""
    return "secret" if _KNOWN.search(value) else judged(name, value)


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable of this name seems to hold a secret, and not a reference to one."""
    return judged_variable(name, value) == "secret"


def report_variable(draft: Draft, name: str, value: str, at: Placed, lines: Sequence[str]) -> None:
    """Refuse a variable that holds a secret, and warn of one that may; a comment can say that it holds none."""
    what = f"the variable {name}"
    if holds_secret(value):
        draft.note("secret-in-definition", at, what=what)
        return
    judgement = judged(name, value)
    if not judgement or declared_harmless(lines, at.line):
        return
    code = "secret-in-definition" if judgement == "secret" else "secret-suspected"
    draft.note(code, at, what=what, help=f"{CATALOGUE[code].help} {_IF_NONE}")


def check(draft: Draft) -> None:
    """Refuse what holds a secret: it goes no further than this."""
    for text in (*draft.channels, *draft.conda, *draft.pip, *([draft.image] if draft.image else [])):
        if holds_secret(text):
            draft.note("secret-in-definition", text, what="this line")
    for name, written in draft.properties.items():
        if holds_secret(written):
            draft.note("secret-in-definition", None, what=f"the property {name}")
    for name, value in draft.variables.items():
        report_variable(draft, name, str(value), value, draft.lines_around(value))


def scan(draft: Draft) -> None:
    """Report the secrets in the lines of a refused file that no other finding names: it may not be read to its end."""
    known = {(each.file, each.line) for each in draft.findings if each.code == "secret-in-definition"}
    for file, lines in ((draft.file, draft.lines), *draft.files_read.items()):
        # Once for the whole text: most files hold none.
        if not holds_secret("\n".join(lines)) and (draft.complete or file != draft.file):
            continue
        for number, line in enumerate(lines, 1):
            if line.lstrip().startswith("#") or (file, number) in known:
                continue
            if holds_secret(line):
                draft.note("secret-in-definition", Placed("", number, 1, file), what="this line")
            elif not draft.complete and (assigned := _NAMED.match(line[:_LONGEST_LINE])):
                report_variable(draft, assigned[1], assigned[2], Placed("", number, 1, file), lines)


def _masked_assignment(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    if not judged_variable(name, value):
        return match[0]
    return f"{name}={MASK}"


def masked_values(value: object) -> object:
    """The same JSON value with the secrets in its strings replaced, at any depth."""
    if isinstance(value, str):
        return masked_script(value) if "\n" in value else masked(value)
    if isinstance(value, list):
        return [masked_values(item) for item in value]
    if isinstance(value, dict):
        return {key: masked_values(item) for key, item in value.items()}
    return value
