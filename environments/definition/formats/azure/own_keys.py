"""The studio's own keys in Azure ML's formats: what limits uploads, indexes of single packages, the smoke test."""

from __future__ import annotations

from environments.definition.findings.result import Draft
from environments.definition.formats.conda.environment_file import quoted, scalar
from environments.definition.formats.shapes import mapping_of, strings_of, text_of
from environments.definition.model import MOST_SMOKE_TEST, Cutoff
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Tree

CUTOFF_KEYS = ("as_of", "newest")
_DEFAULT = "default"


def read_cutoff(draft: Draft, as_of: Tree | None, newest: Tree | None) -> None:
    """Read `as_of: 2026-06-01` or `newest: 14 days`; a mapping has a `default`, and exceptions by package."""
    values: dict[str, Placed] = {}
    exceptions: dict[str, Placed] = {}
    for name, node in zip(CUTOFF_KEYS, (as_of, newest), strict=True):
        if isinstance(node, Mapping):
            exceptions |= strings_of(draft, mapping_of(draft, node, name), name)
            values[name] = exceptions.pop(_DEFAULT, Placed(""))
        else:
            values[name] = text_of(draft, node, name) or Placed("")
    draft.cutoff_places = {**values, **exceptions}
    draft.cutoff = Cutoff(
        as_of=str(values["as_of"]),
        newest=str(values["newest"]),
        exceptions={name: str(value) for name, value in exceptions.items()},
    )


def cutoff_values(cutoff: Cutoff, *, as_of: str = "as_of") -> dict[str, object]:
    """Return the key and the value that `read_cutoff` reads as this; nothing for no cutoff."""
    exceptions = {name: cutoff.exceptions[name] for name in sorted(cutoff.exceptions)}
    result: dict[str, object] = {}
    for name, value in ((as_of, cutoff.as_of), ("newest", cutoff.newest)):
        if value or (exceptions and name == "newest"):
            given = {_DEFAULT: value} if value else {}
            result[name] = {**given, **exceptions} if exceptions else value
            exceptions = {}
    return result


def write_cutoff(cutoff: Cutoff) -> str:
    """Return the YAML that `read_cutoff` reads as this."""
    text = ""
    for name, value in cutoff_values(cutoff).items():
        if isinstance(value, dict):
            pairs = "".join(f"  {scalar(key)}: {quoted(limit)}\n" for key, limit in value.items())
            text += f"{name}:\n{pairs}"
        else:
            text += f"{name}: {quoted(str(value))}\n"
    return text


def read_smoke_test(draft: Draft, node: Tree | None, what: str) -> None:
    """Read the command that must succeed in the image; one that is too long, or has a NUL, is refused."""
    text = text_of(draft, node, what) or Placed("")
    if len(text) > MOST_SMOKE_TEST or "\0" in text:
        expected = f"a command of up to {MOST_SMOKE_TEST:,} characters"
        draft.note("wrong-shape", text, what=what, expected=expected, found=f"{len(text):,} characters")
        return
    draft.smoke_test = str(text).strip()


def read_indexes(draft: Draft, node: Tree | None, what: str) -> dict[str, str]:
    """Return the indexes of single packages by name, as written; they are checked later."""
    return dict(strings_of(draft, node, what))
