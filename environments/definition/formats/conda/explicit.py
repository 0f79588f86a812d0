"""conda's explicit list (`@EXPLICIT` and the URLs of packages), with conda-lock's `# pip` lines."""

from __future__ import annotations

import re
from contextlib import suppress

from environments.definition.findings.result import Draft
from environments.definition.formats.source import Source
from environments.definition.model import Definition
from environments.definition.packages.locked import CONDA, PLATFORMS, SUBDIRS, LockedPackage, from_conda_url
from environments.definition.packages.specs import BadSpec, pip_spec
from environments.definition.syntax.text import Placed

FORMAT = "conda-explicit"
_MARK = re.compile(r"(?m)^@EXPLICIT[ \t]*\r?$")
_PACKAGE_URL = re.compile(r"(?:https?|file|ftp|s3)://[^\s#]+\.(?:conda|tar\.bz2)(?:#\S*+)?")
_PIP = re.compile(r"#\s*pip\s+(\S.*)")
_PIP_LINE = re.compile(r"(?m)^# pip (?!install )\S+ @ ")
_PLATFORM = re.compile(r"#\s*platform:\s*([\w-]+)")


def recognised(text: str) -> bool:
    """Whether the text is an explicit list: marked as one, or nothing but URLs of conda packages."""
    if _MARK.search(text) or _PIP_LINE.search(text):
        return True
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return bool(lines) and all(_PACKAGE_URL.fullmatch(line) for line in lines)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read every package of the list into the draft."""
    draft.locked = True
    packages: list[LockedPackage] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        at = Placed(line, number, len(raw) - len(raw.lstrip()) + 1, draft.file)
        if line.startswith("#"):
            _comment(draft, at, packages)
        elif line and line != "@EXPLICIT":
            bare = line.split(" #")[0].strip()
            draft.conda.append(at.moved(bare))
            # The checks report what cannot be read, as for every other conda specification.
            with suppress(BadSpec):
                packages.append(from_conda_url(bare))
    if not draft.conda and not draft.pip:
        raise draft.refuse("empty", Placed("", 1), what="list")
    draft.packages = tuple(packages)
    _platform_of_packages(draft, packages)


def _comment(draft: Draft, line: Placed, packages: list[LockedPackage]) -> None:
    platform = _PLATFORM.match(line)
    if platform:
        set_platform(draft, platform[1], line)
        return
    pip = _PIP.match(line)
    if pip:
        requirement = line.moved(pip[1].strip())
        draft.pip.append(requirement)
        with suppress(BadSpec):
            spec = pip_spec(str(requirement))
            if spec is not None:
                packages.append(LockedPackage(spec.name, spec.exact, "pip", url=spec.url))


def set_platform(draft: Draft, subdir: str, at: Placed | None) -> None:
    """Take the platform that conda calls by this name."""
    platform = PLATFORMS.get(subdir)
    if platform is None:
        return
    draft.platform = platform
    if not platform.startswith("linux/"):
        draft.note("platform-windows", at, what=subdir)


def _platform_of_packages(draft: Draft, packages: list[LockedPackage]) -> None:
    """Without a platform comment, the packages' folders give the platform."""
    if draft.platform != "linux/amd64":
        return
    for package in packages:
        if package.subdir in PLATFORMS:
            set_platform(draft, package.subdir, draft.conda[0])
            return


def write(packages: tuple[LockedPackage, ...], platform: str = "linux/amd64") -> str:
    """An explicit list of these packages; those of pip as conda-lock writes them."""
    lines = [f"# platform: {SUBDIRS.get(platform, 'linux-64')}", "@EXPLICIT"]
    for package in packages:
        if package.ecosystem == CONDA:
            digest = (
                f"#{package.md5}" if package.md5 else f"#sha256:{package.sha256}" if package.sha256 else ""
            )
            lines.append(package.url + digest)
    for package in packages:
        if package.ecosystem == "pip":
            digest = f" --hash=sha256:{package.sha256}" if package.sha256 else ""
            location = f" @ {package.url}" if package.url else f"=={package.version}"
            lines.append(f"# pip {package.name}{location}{digest}")
    return "\n".join(lines) + "\n"


def write_definition(definition: Definition) -> str:
    """The explicit list that the definition was read from."""
    lines = [f"# platform: {SUBDIRS.get(definition.platform, 'linux-64')}", "@EXPLICIT"]
    lines += definition.python.conda
    lines += [f"# pip {line}" for line in definition.python.pip]
    return "\n".join(lines) + "\n"
