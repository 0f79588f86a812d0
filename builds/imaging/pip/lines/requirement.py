"""Check requirement lines before the solver gets them: none may reach the studio's own machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from builds.imaging.pip.lines.option_lines import BadOptions, read_line, written
from builds.imaging.reporting import ImageError
from environments.network.masking import masked

# Those whose value is an address.
_AT_ADDRESSES = ("--index-url", "--extra-index-url", "--find-links")
_CONSTRAINT = ("-c", "--constraint")
_NAMED = re.compile(
    r"^(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\]?)?\s*(?P<rest>.*)$", re.DOTALL
)
# Text that may follow a name: a version, a marker, an address. The solver may take anything else as a path.
_FOLLOWING = ("=", "<", ">", "!", "~", "(", ";", "@")
_SINGLE = re.compile(r"(?P<name>[\w.-]+(?:\[[^\]]*\])?)\s*=\s*(?P<version>[^=\s;,]+)\s*(?:;|$)")
_LAST_COMMA = re.compile(r",\s*(?=[;)]|$)")
_VERSIONS = re.compile(r"(?:===?|~=|!=|<=?|>=?)\s*([^\s,;()]+)")
_REPOSITORY = re.compile(r"(?:git|hg|svn|bzr)\+|git@|git://", re.IGNORECASE)
_WEB = ("https://", "http://")
_ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2")


def checked(requirements: Sequence[str]) -> list[str]:
    """Return the lines without comments, in one spelling; an option has a line of its own.

    Refuse a line that names a file, a variable or code of this machine, or that pip could not read.
    """
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in requirements)
    return [part for line in lines if line for part in _allowed(line)]


def constraints_of(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the lines that ask for something, and what the others hold its versions to."""
    rest, constraints = [], []
    for line in lines:
        option, value = option_of(line)
        if option in _CONSTRAINT:
            constraints.append(value)
        else:
            rest.append(line)
    return rest, constraints


def option_of(line: str) -> tuple[str, str]:
    """Return the first word of a line, which may be an option, and what it is given."""
    option, _, value = re.sub(r"[\s=]+", " ", line, count=1).partition(" ")
    return option, value.strip()


def _allowed(line: str) -> list[str]:
    if "\n" in line or "\r" in line or line.endswith("\\"):
        raise _refusal(line, "it goes on in another line", "Write it in one line.")
    if "${" in line:
        # The solver would put the studio's own environment in.
        raise _refusal(line, "variables are not filled in here", "Write the value itself.")
    option, value = option_of(line)
    if option in _CONSTRAINT:
        return [_allowed_constraint(line, value)]
    try:
        read = read_line(line)
    except BadOptions as error:
        raise _refusal(line, error.why, error.help) from None
    if not read.requirement:
        return [_allowed_option(line, name, value) for name, value in read.options]
    for setting in (value for name, value in read.own if name == "--config-settings"):
        if not setting.partition("=")[1]:
            raise _refusal(line, "its --config-settings has no =", "Write it as --config-settings KEY=VALUE.")
    return [f"{_allowed_requirement(read.requirement, line)} {written(read.options)}".rstrip()]


def _allowed_requirement(text: str, line: str) -> str:
    if text.startswith(_WEB):
        # The solver asks for a name.
        return f"{_wheel_at(text, line)} @ {text}"
    matched = _NAMED.match(text)
    rest = matched["rest"] if matched else text
    address = rest[1:].strip() if rest.startswith("@") else ""
    if address.startswith(_WEB):
        _wheel_at(address, line)
        return text
    if _REPOSITORY.match(address) or _REPOSITORY.match(text):
        raise _from_repository(line)
    if matched is None or address or _is_path(text, rest):
        raise _from_path(text, matched["name"] if matched and address else "")
    if rest and not rest.startswith(_FOLLOWING):
        raise _refusal(line, "it is not a package's name", "Write a name, such as numpy==1.26.4.")
    try:
        Requirement(text)
    except InvalidRequirement:
        raise _refusal(line, *_unreadable(text)) from None
    # pip takes a comma at the end of versions, and the solver does not.
    return _LAST_COMMA.sub("", text, count=1)


def _unreadable(text: str) -> tuple[str, str]:
    """Return why pip cannot read a requirement that begins with a name, and what to write."""
    if (single := _SINGLE.match(text)) is not None:
        return "pip compares versions with two =", f"Write {single['name']}=={single['version']}."
    for version in _VERSIONS.findall(text.partition(";")[0]):
        with suppress(InvalidVersion):
            Version(version.removesuffix(".*"))
            continue
        return (
            f"“{version}” is not a version: versions are numbers with dots, such as 2012.8 or 1.0rc1 (PEP 440)",
            "Write a version that the index lists.",
        )
    return "it is not a requirement as pip reads them", "Write it as name==version."


def _allowed_option(line: str, name: str, value: str) -> str:
    if name == "--editable":
        raise _from_repository(line) if _REPOSITORY.match(value) else _from_path(line)
    if name in ("--requirement", "--constraint"):
        raise _refusal(
            line, f"the option {name} reads a file, and there is none here", "Write its lines here."
        )
    if name in _AT_ADDRESSES and value and not value.startswith(_WEB):
        raise _refusal(line, "its address is not one of the web", "Give an http(s) address.")
    return written([(name, value)])


def _wheel_at(address: str, line: str) -> str:
    """Return the name of the wheel at an address; refuse anything else, as the solver would run it to ask it."""
    filename = unquote(urlsplit(address.partition(" ")[0]).path).rpartition("/")[2]
    try:
        return parse_wheel_filename(filename)[0]
    except InvalidWheelFilename:
        raise _refusal(
            line,
            "its address is not that of a wheel",
            "Give the address of a wheel (.whl), or take the package from an index.",
        ) from None


def _is_path(line: str, rest: str) -> bool:
    """Return whether pip would look for this on its own disk."""
    return rest.startswith(("/", "\\", ":")) or line.lower().endswith(_ARCHIVES)


def _from_repository(line: str) -> ImageError:
    return _refusal(
        line,
        "it is a repository of source code, and none is cloned here",
        "Take a version from an index, give the address of a wheel, or install it in a Dockerfile.",
    )


def _from_path(line: str, name: str = "") -> ImageError:
    """Return the error for a file of somebody's machine; what conda's own pip lists says which version it was."""
    filename = unquote(urlsplit(line.partition("@")[2].strip() or line).path).rpartition("/")[2]
    instead = f"{name}==version" if name else ""
    with suppress(InvalidWheelFilename):
        wheel, version, *_ = parse_wheel_filename(filename)
        instead = f"{wheel}=={version}"
    help = "Write a name, such as numpy==1.26.4; or install it in the Dockerfile of a context that holds it."
    if instead:
        help = f"Write {instead} if an index has it, or give the http(s) address of a wheel."
    return _refusal(line, "it is not a package's name, but a place on somebody's machine", help)


def _allowed_constraint(line: str, value: str) -> str:
    try:
        constraint = Requirement(value)
    except InvalidRequirement:
        constraint = None
    # A name without a version holds nothing, and is most likely a file.
    if constraint is None or constraint.extras or not constraint.specifier:
        raise _refusal(
            line, "it does not hold a package to versions", "Write it as --constraint numpy<2, one a line."
        )
    return line


def _refusal(line: str, why: str, help: str) -> ImageError:
    return ImageError("bad-spec", f"The requirement “{masked(line)[:200]}” cannot be used: {why}.", help)
