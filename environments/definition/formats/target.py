"""The target of a definition, the machine that its image will run on: read, checked, compared and written."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from environments.definition.findings.result import Draft
from environments.definition.formats import shapes
from environments.definition.model import TARGET_LABELS, Target
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Tree

_EXAMPLES = {"cuda": "12.4", "glibc": "2.28", "linux": "5.10"}
_VERSIONS = {
    "cuda": re.compile(r"[1-9]\d{0,2}(?:\.\d{1,3}){0,2}", re.ASCII),
    "glibc": re.compile(r"2\.\d{1,3}", re.ASCII),
    "linux": re.compile(r"[1-9]\d{0,2}(?:\.\d{1,5}){0,3}", re.ASCII),
}
_NUMBER = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){0,2}(?!\d)", re.ASCII)
_NAME = re.compile(r"[a-z0-9_.]{1,40}")
_MERGED = re.compile(r"cu(?:da)?[-_ ]?(\d\d)(\d)", re.IGNORECASE | re.ASCII)
# The names of archspec, which conda uses: levels that several processors share, and processors.
_CPUS = {
    "amd64": (
        "x86_64 x86_64_v2 x86_64_v3 x86_64_v4 nocona core2 nehalem westmere sandybridge ivybridge haswell broadwell"
        " skylake mic_knl skylake_avx512 cannonlake cascadelake icelake sapphirerapids k10 bulldozer piledriver"
        " steamroller excavator zen zen2 zen3 zen4 zen5"
    ).split(),
    "arm64": (
        "aarch64 armv8.1a armv8.2a armv8.3a armv8.4a armv8.5a armv9.0a thunderx2 a64fx cortex_a72 neoverse_n1"
        " neoverse_v1 neoverse_v2 neoverse_n2 ampere1 ampere1a m1 m2 m3 m4"
    ).split(),
}


def read(draft: Draft, node: Tree | None) -> None:
    """Read the studio's own key `target` of a definition into the draft, whose platform is known already."""
    mapping = shapes.mapping_of(draft, node, "target")
    shapes.unknown_keys(draft, mapping, TARGET_LABELS, "target.")
    values = {name: shapes.text_of(draft, mapping.get(name), f"target.{name}") for name in TARGET_LABELS}
    take(draft, {name: value for name, value in values.items() if value})


def take(draft: Draft, values: Mapping[str, Placed]) -> None:
    """Put the values that can be used into the draft's target, by the names of its fields; note the others."""
    right = {}
    for name, written in values.items():
        value = written.strip()
        if _checked(draft, name, written.moved(value)):
            right[name] = value
    draft.target = draft.target.model_copy(update=right)


def _checked(draft: Draft, name: str, value: Placed) -> bool:
    if name == "cpu":
        return _checked_cpu(draft, value)
    if _VERSIONS[name].fullmatch(value):
        return True
    meant = _version_in(value, name)
    expected = f"a version such as {_EXAMPLES[name]}"
    draft.note("bad-target", value, key=name, what=value[:40], expected=expected, meant=meant)
    return False


def _version_in(text: str, name: str) -> str:
    """Return the version that a longer text holds, such as `>=12.4` or `cu124`; empty where none is usable."""
    merged = _MERGED.fullmatch(text) if name == "cuda" else None
    if merged:
        return f"{merged[1]}.{merged[2]}"
    number = _NUMBER.search(text[:40])
    return number[0] if number and _VERSIONS[name].fullmatch(number[0]) else ""


def _checked_cpu(draft: Draft, value: Placed) -> bool:
    if draft.other_platforms:
        every = (draft.platform, *draft.other_platforms)
        known: list[str] | None = [cpu for platform in every for cpu in _cpus(platform)]
    else:
        known = _CPUS.get(draft.platform.partition("/")[2])
    if value in known if known else _NAME.fullmatch(value):
        return True
    known = known or []
    plain = re.sub(r"[-.\s]+", "_", value[:40]).lower()
    plain = re.sub(r"^(?:x86_64_?|amd64_?)?v(?=\d)", "x86_64_v", plain)
    meant = plain if plain in known else next(iter(difflib.get_close_matches(plain, known, n=1)), "")
    other = next((name for name, cpus in _CPUS.items() if value in cpus), "")
    expected = f"a processor or level of {draft.platform}, by archspec's names"
    if other:
        expected = f"for {draft.platform}, not linux/{other}"
    draft.note("bad-target", value, key="cpu", what=value[:40], expected=expected, meant=meant)
    return False


def _cpus(platform: str) -> list[str]:
    return _CPUS.get(platform.partition("/")[2], [])


def on_platform(target: Target, platform: str) -> Target:
    """Return the target as it is on one of several platforms: without the processor of another."""
    known = _cpus(platform)
    if not target.cpu or not known or target.cpu in known:
        return target
    return target.model_copy(update={"cpu": ""})


def changes(old: Target, new: Target) -> Iterable[tuple[str, str, str]]:
    """Yield what differs between two targets: in words, the value before, and after."""
    before, after = old.stated, new.stated
    for name, label in TARGET_LABELS.items():
        was, now = before.get(name, ""), after.get(name, "")
        if was != now:
            yield f"target: {label} {'changed' if was and now else 'added' if now else 'removed'}", was, now


def write_yaml(target: Target) -> str:
    """Return the key `target` in YAML; empty where nothing is stated."""
    lines = "".join(f'  {name}: "{value}"\n' for name, value in target.stated.items())
    return f"target:\n{lines}" if lines else ""
