"""The check of readers and builds for lines of pip's that no build takes, with what to write instead.

Nothing of a definition is run on the studio's machine, so neither a repository, nor a source at a URL, nor a path,
nor a variable of its environment is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from environments.definition.packages.misread import why_not
from environments.definition.packages.pip_line import ALONE, TAKES_VALUE, BadOption, PipLine, taken_apart

_WEB = ("https://", "http://")
_AT_URLS = ("--index-url", "--extra-index-url", "--find-links")
_SHOUTED = re.compile(r"(?:^|@\s{0,9})(?!https?://)(?i:https?)://")
_ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2")
_NAMED = re.compile(
    r"^(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\]?)?\s*(?P<rest>.*)$", re.DOTALL
)
# Text that may follow a name: a version, a marker, a URL. The solver may take anything else as a path.
_FOLLOWING = ("=", "<", ">", "!", "~", "(", ";", "@")
_REPOSITORY = re.compile(r"(?:git|hg|svn|bzr)\+|git@|git://", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{")
_LOGIN = re.compile(r"(https?://)[^/\s@]*@", re.IGNORECASE)
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9][\w.-]*)")
_TAG = re.compile(r"(?:@|/archive/(?:refs/tags/)?|/zipball/|/tarball/)v?(\d[\w.]*+)(?=[#?]|$)")
_SDIST = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*?)-(?P<version>\d[\w.!+]*?)\.(?:tar\.gz|zip|tar\.bz2|tgz)")
_MAY_HAVE_BLANKS = ("--constraint", "--editable", "--requirement", "--config-settings")
_PLAIN = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?(?:==\d+(?:\.\d+)*)?", re.ASCII)
_LONGEST_FILE_NAME = 255


@dataclass(frozen=True, slots=True)
class Problem:
    """Why no build takes a line, and what to do about it; `path` where it is one of somebody's machine."""

    why: str
    help: str
    path: bool = False
    instead: str = ""
    """The same version by its name on an index, where the line shows both."""
    project: bool = False
    """Whether it is the folder of the definition itself, which a lock may leave out."""


def problem_of(line: str) -> Problem | None:
    """Return why no build takes this line of pip's; None where a build does."""
    line = line.strip()
    if "\n" in line or "\r" in line or line.endswith("\\"):
        return Problem("it goes on in another line", "Write it in one line.")
    if _VARIABLE.search(line):
        return _with_variable(line)
    try:
        parts = taken_apart(line)
    except BadOption as error:
        help = f"Write {error.near}." if error.near else "Correct the option, or leave it out."
        return Problem(str(error), help)
    for name, value in parts.options:
        # Without its quotation marks it would be read as several options.
        if name not in _MAY_HAVE_BLANKS and len(value.split()) != bool(value):
            return Problem(f"the value of {name} has a blank in it", "Write the value without blanks.")
        if name == "--config-settings" and "=" not in value:
            return Problem("its --config-settings has no =", "Write it as --config-settings KEY=VALUE.")
    return _of_requirement(parts.requirement) if parts.requirement else _of_options(parts)


def _of_requirement(text: str) -> Problem | None:
    if _SHOUTED.search(text):
        # The rules for addresses are held where the solver and its proxy read the same scheme.
        return Problem(
            "the scheme of its address has capital letters", "Write http:// or https:// in small letters."
        )
    if text.startswith(_WEB):
        return None if wheel_at(text) else _no_wheel(text, "")
    matched = _NAMED.match(text)
    rest = matched["rest"] if matched else text
    url = rest[1:].strip() if rest.startswith("@") else ""
    name = matched["name"] if matched and url else ""
    if url.startswith(_WEB):
        return None if wheel_at(url) else _no_wheel(url, name)
    if _REPOSITORY.match(url) or _REPOSITORY.match(text):
        return _repository(url or text, name)
    if matched is None or url or _is_path(text, rest):
        return _path(url or text, name)
    if rest and not rest.startswith(_FOLLOWING):
        return Problem("it is not a package's name", "Write a name, such as numpy==1.26.4.")
    return None if _PLAIN.fullmatch(text) else _unreadable(text)


def _unreadable(text: str) -> Problem | None:
    # Loaded here and not above: plain lines do without it.
    from packaging.requirements import InvalidRequirement, Requirement

    with suppress(InvalidRequirement, RecursionError):
        Requirement(text)
        return None
    return Problem(*why_not(text))


def _of_options(parts: PipLine) -> Problem | None:
    for name, value in parts.honoured:
        if name == "--editable":
            return _repository(value, "") if _REPOSITORY.match(value) else _path(value, "")
        if name == "--constraint":
            if (problem := _of_constraint(value)) is not None:
                return problem
        elif name == "--requirement":
            return Problem("another file is not read from here", "Write its lines in this file.")
        elif name in _AT_URLS and value and not value.startswith(_WEB):
            path = "://" not in value
            return Problem("its address is not one of the web", "Give an http(s) address.", path)
        elif name not in TAKES_VALUE | ALONE:
            return Problem(f"the option {name} cannot be used here", "Leave it out.")
    return None


def ignored_on(line: str) -> Iterator[tuple[str, str, str]]:
    """Yield what pip or a build passes over on a line that it takes: what, why and what to do."""
    parts = taken_apart(line)
    for name, value in parts.passed_over:
        if parts.requirement:
            option = f"{name} {value}".strip()
            yield name, "pip reads it on a line of its own only", f"Write {option} on a line of its own."
        else:
            yield name, "it belongs to a requirement", "Write it behind the requirement that it is for."
    for name, _ in parts.honoured if parts.requirement else ():
        if name == "--global-option":
            why = "pip no longer has it, and no build passes it on"
            yield name, why, "Leave it out, or install the package in a Dockerfile."
    if parts.rest:
        what, why = repr(parts.rest[:80]), "pip passes over what follows an option's value"
        marked = parts.rest.startswith(";")
        help = "Leave it out: an option takes no marker." if marked else "Leave it out."
        yield what, why, help


def _of_constraint(value: str) -> Problem | None:
    from packaging.requirements import InvalidRequirement, Requirement

    with suppress(InvalidRequirement, RecursionError):
        constraint = Requirement(value)
        # A name without a version holds nothing, and is most likely a file.
        if constraint.specifier and not constraint.extras:
            return None
    return Problem("it does not hold a package to versions", "Write it as --constraint numpy<2, one a line.")


def wheel_at(url: str) -> tuple[str, str] | None:
    """Return name and version of the wheel at a URL; None where no wheel is there."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    with suppress(InvalidWheelFilename, ValueError):
        name, version, *_ = parse_wheel_filename(_file_of(url))
        return str(name), str(version)
    return None


def _file_of(url: str) -> str:
    """Return the name of the file that a URL or path leads to."""
    bare = url.partition(" ")[0].partition("#")[0]
    with suppress(ValueError):
        bare = urlsplit(bare).path
    return unquote(bare).replace("\\", "/").rstrip("/").rpartition("/")[2][:_LONGEST_FILE_NAME]


def _instead(url: str, name: str) -> str:
    """Return what names the same version on an index, as far as the URL shows it; empty if it shows no name."""
    wheel = wheel_at(url)
    if wheel is not None:
        return "==".join(wheel)
    sdist = _SDIST.fullmatch(_file_of(url))
    tag = _version_in(url)
    if name:
        same = sdist is not None and _same(sdist["name"], name)
        version = sdist["version"] if sdist is not None and same else tag or "version"
        return f"{name}=={version}"
    if sdist is not None and not tag:
        return f"{sdist['name']}=={sdist['version']}"
    if "://" not in url and not _REPOSITORY.match(url):
        return ""
    egg = _EGG.search(url)
    project = egg[1] if egg else _project(url)
    return f"{project}=={tag or 'version'}" if project else ""


def _version_in(url: str) -> str:
    """Return the version that a repository's tag names, such as `@v1.4.4`; empty for a branch or a commit."""
    tag = _TAG.search(url.partition(" ")[0][:4096])
    version = tag[1].removesuffix(".zip").removesuffix(".tar.gz") if tag else ""
    return version if "." in version else ""


def _same(name: str, other: str) -> bool:
    return re.sub(r"[-_.]+", "-", name).lower() == re.sub(r"[-_.]+", "-", other).lower()


def _project(url: str) -> str:
    """Return the last name in a repository's URL, which the package mostly has too."""
    bare = url.partition("#")[0].partition(" ")[0].partition("/archive/")[0].removeprefix("git+")
    last = re.split(r"\.git\b|@(?=[^/@:]*$)", bare.rstrip("/").rpartition("/")[2])[0]
    return last if re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", last) else ""


def _with_variable(line: str) -> Problem:
    # The solver would put the studio's own environment in.
    why = "variables are not filled in here"
    if _LOGIN.search(line):
        return Problem(
            why,
            "Write the address without user and password, and give both to the workspace under"
            " Settings → Connections.",
        )
    return Problem(why, "Write the value itself.")


def _no_wheel(url: str, name: str) -> Problem:
    instead = _instead(url, name)
    help = "Give the address of a wheel (.whl), or take the package from an index"
    help = f"{help}: {instead}." if instead else f"{help}."
    return Problem("its address is not that of a wheel", help, instead=_with_version(instead))


def _with_version(instead: str) -> str:
    return "" if instead.endswith("==version") else instead


def _repository(url: str, name: str) -> Problem:
    instead = _instead(url, name)
    version = f"Write {instead} if an index has it" if instead else "Take a version from an index"
    return Problem(
        "it is a repository of source code, and none is cloned here",
        f"{version}, give the address of a wheel, or install it in a Dockerfile.",
        instead=_with_version(instead),
    )


def _path(path: str, name: str) -> Problem:
    """Return the problem of a file of somebody's machine; what conda's own pip lists says which version it was."""
    instead = _instead(path, name) if name or path.lower().partition("#")[0].endswith(_ARCHIVES) else ""
    help = "Write a name, such as numpy==1.26.4; or install it in the Dockerfile of a context that holds it."
    if is_project(path):
        help = "Take the line out (`uv export --no-emit-project` leaves it out), or install the project in a Dockerfile."
    if instead:
        help = f"Write {instead} if an index has it, or give the http(s) address of a wheel."
    if instead.endswith("==version"):
        help += " `pip list --format=freeze` prints the versions."
    return Problem(
        "it is not a package's name, but a path on someone's machine",
        help,
        path=True,
        instead=_with_version(instead),
        project=is_project(path),
    )


def local_project(line: str) -> bool:
    """Return whether a line installs a folder of the author's machine: `-e .`, `./lib`, `name @ file:///home/me/name`."""
    try:
        parts = taken_apart(line)
    except BadOption:
        return False
    editable = next((value for name, value in parts.options if name == "--editable"), "")
    path = (editable or parts.requirement).partition(" ;")[0].strip()
    if not editable:
        path = path.partition(" @ ")[2].strip() or path
    local = path.startswith((".", "/", "file:", "~")) and not _REPOSITORY.match(path)
    return local and not path.partition("#")[0].lower().endswith(_ARCHIVES)


def is_project(path: str) -> bool:
    """Return whether a path is the folder of the file itself: `.`, `./` or `.[extra]`."""
    return re.fullmatch(r"(?:file:)?\.(?:[/\\])?(?:\[[^\]]*\])?", path.strip()) is not None


def _is_path(line: str, rest: str) -> bool:
    """Return whether pip would look for this on its own disk."""
    return rest.startswith(("/", "\\", ":")) or line.lower().endswith(_ARCHIVES)
