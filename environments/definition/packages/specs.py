"""One package as somebody wrote it: a conda match specification, or a line of a requirements file."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from environments.definition.packages import misread_conda
from environments.definition.packages.misread import why_not

_PLAIN_PIP = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:==([0-9]+(?:\.[0-9]+)*))?")
_PLAIN_CONDA = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)(?:(==|=)([0-9]{1,18}(?:\.[0-9]{1,18})*))?")
_EXACT_CONDA = re.compile(r"=*\s*([0-9A-Za-z][0-9A-Za-z.!+_-]*?)(?:\.?\*)?")
_SINGLE_EQUALS = re.compile(r"([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?)\s*=\s*([0-9][\w.*+!-]*)\s*(;.*)?")
_URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?[A-Za-z][A-Za-z0-9+.-]*://\S+|git\+[^\s@]++@[^\s:]++:\S++")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9][\w.-]*)")
_WHEEL_OR_SDIST = re.compile(r"([A-Za-z0-9][\w.]*?)-(\d[\w.!+]*?)(?:-.*)?\.(?:whl|tar\.gz|zip|tar\.bz2)")
_ARCHIVE_ENDS = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
_LONGEST_FILE_NAME = 255
_EDITABLE = re.compile(r"(?:-e|--editable(?=[=\s]|$)=?)\s*+(.*)")


class BadSpec(ValueError):
    """The text names no package; the message says why, `help` what to write if that is clear."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True, slots=True)
class Spec:
    """A requested package; `exact` is its pinned version, `constraint` the whole constraint without extras."""

    text: str
    name: str
    ecosystem: str
    constraint: str = ""
    exact: str = ""
    build: str = ""
    channel: str = ""
    url: str = ""
    extras: tuple[str, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether the text leaves no choice of version."""
        return bool(self.exact or self.url)


@lru_cache(maxsize=8192)
def conda_spec(text: str) -> Spec:
    """The conda match specification that this text is, by conda's own grammar. Raises BadSpec."""
    text = text.strip()
    plain = _PLAIN_CONDA.fullmatch(text)
    if plain:
        # The commonest spellings need no solver library, which costs more to load than all the rest.
        name, sign, version = plain[1], plain[2] or "", _without_leading_zeros(plain[3] or "")
        return Spec(text, name.lower(), "conda", sign + version, version)
    if text.startswith(("http://", "https://", "file://")) and "::" not in text:
        return _conda_file(text)
    return _conda_spec_by_rattler(text)


def _refuse_pips(text: str) -> None:
    if (reason := misread_conda.of_pip(text)) is not None:
        raise BadSpec(*reason)


def _conda_file(url: str) -> Spec:
    """The package that a line of an explicit list names by its file."""
    _refuse_pips(url)
    address = url.partition("#")[0].partition("?")[0]
    file = address.rpartition("/")[2]
    stem = file.removesuffix(".conda").removesuffix(".tar.bz2")
    parts = stem.rsplit("-", 2)
    if stem == file or len(parts) != 3 or not all(parts):
        raise BadSpec(f"{file[:80]!r} is not the file name of a conda package (name-version-build.conda)")
    return Spec(url, parts[0].lower(), "conda", f"=={parts[1]}", parts[1], parts[2], url=address)


def _without_leading_zeros(version: str) -> str:
    """Return a version of plain numbers as conda writes it: `2024.7.4` for `2024.07.04`."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", version)


def _conda_spec_by_rattler(text: str) -> Spec:
    _refuse_pips(text)
    # Loaded here and not above: `inspect` of a plain file starts in half the time without it.
    from rattler import MatchSpec
    from rattler.exceptions import InvalidMatchSpecError

    if "\0" in text or len(text) > 4096:
        raise BadSpec("it is too long" if "\0" not in text else "it holds a NUL character")
    try:
        spec = MatchSpec(text)
    except (InvalidMatchSpecError, ValueError):
        raise BadSpec(*misread_conda.why_not(text)) from None
    if spec.name is None:
        raise BadSpec("it names no package")
    if spec.build and " " in str(spec.build):
        raise BadSpec("after name, version and build nothing more is expected")
    name = spec.name.normalized if hasattr(spec.name, "normalized") else str(spec.name)
    constraint = str(spec.version or "")
    if constraint == "*":
        constraint = ""
    match = _EXACT_CONDA.fullmatch(constraint)
    url = text.partition("#")[0] if "://" in text and "::" not in text else ""
    return Spec(
        text,
        name.lower(),
        "conda",
        constraint,
        match[1] if match else "",
        str(spec.build or ""),
        spec.channel.name or "" if spec.channel else "",
        url,
    )


@lru_cache(maxsize=8192)
def pip_spec(text: str) -> Spec | None:
    """The package that a line of a requirements file asks for; None for an option. Raises BadSpec."""
    text = text.strip()
    editable = _EDITABLE.fullmatch(text)
    if editable:
        location = editable[1].strip("'\"")
        if not location:
            raise BadSpec("-e names no project: write its folder or its URL after it")
        return _from_location(text, location)
    if text.startswith("-"):
        return None
    bare = without_options(text)
    plain = _PLAIN_PIP.fullmatch(bare)
    if plain and not bare.lower().endswith(_ARCHIVE_ENDS):
        # Most lines are of these two kinds, and need no parser to be loaded.
        version = plain[2] or ""
        return Spec(text, pip_name(plain[1]), "pip", f"=={version}" if version else "", version)
    if _URL.fullmatch(bare.split(" ;")[0].strip()) or is_local_path(bare):
        return _from_location(text, bare.split(" ;")[0].strip())
    return _requirement(text, bare)


def pip_name(name: str) -> str:
    """The name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirement(text: str, bare: str) -> Spec:
    # Loaded here and not above: plain lines do without it.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        raise BadSpec(*why_not(bare)) from None
    except (RecursionError, MemoryError):
        raise BadSpec("it is nested too deeply") from None
    exact = ""
    if len(requirement.specifier) == 1:
        only = next(iter(requirement.specifier))
        if only.operator in ("==", "===") and not only.version.endswith(".*"):
            exact = only.version
    constraint = ",".join(sorted(str(specifier) for specifier in requirement.specifier))
    if requirement.marker:
        constraint += f"; {requirement.marker}"
    extras = tuple(sorted(map(pip_name, requirement.extras)))
    return Spec(
        text, pip_name(requirement.name), "pip", constraint, exact, url=requirement.url or "", extras=extras
    )


def single_equals(text: str) -> str | None:
    """The line with == where it has a single =, else None."""
    match = _SINGLE_EQUALS.fullmatch(text.strip())
    return f"{match[1]}=={match[2]}{match[3] or ''}" if match else None


def without_options(line: str) -> str:
    """A requirement line without the per-requirement options at its end (--hash=…, --config-settings=…)."""
    return re.split(r"(?<!\s)\s++--?[a-z]", line, maxsplit=1)[0].strip()


def is_local_path(text: str) -> bool:
    """Whether pip would look for this on the local disk."""
    bare = text.partition(" ;")[0].strip()
    name = bare.partition("[")[0]
    if "://" in name and not name.lower().startswith("file:"):
        return False
    return (
        name.startswith((".", "/", "~", "file:", "\\"))
        or re.match(r"[A-Za-z]:[\\/]", name) is not None
        or (name.lower().endswith(_ARCHIVE_ENDS) and "@" not in bare and " " not in bare)
        or ("/" in name and "@" not in name and " " not in name and "://" not in bare)
    )


def option(line: str) -> tuple[str, str]:
    """The option that a line is, and its value: `--index-url https://…` or `--index-url=https://…`."""
    name, sign, value = line.partition("=")
    if not sign or " " in name.strip():
        name, _, value = line.partition(" ")
    if len(name) > 2 and not name.startswith("--"):
        name, value = name[:2], name[2:] + (f" {value}" if value else "")
    value = value.strip()
    names = [value]
    if "'" in value or '"' in value:
        with suppress(ValueError):
            names = shlex.split(value)
    return name.strip(), names[0] if len(names) == 1 else value


def _from_location(text: str, location: str) -> Spec:
    egg = _EGG.search(location)
    file = unquote(location.partition("#")[0].partition("?")[0].rpartition("/")[2])
    named = _WHEEL_OR_SDIST.fullmatch(file) if len(file) <= _LONGEST_FILE_NAME else None
    if egg:
        name, version = egg[1], ""
    elif named:
        name, version = named[1], named[2]
    else:
        name, version = location, ""
    name = pip_name(name) if name != location else location
    return Spec(text, name, "pip", f"@ {location}", version, url=location)
