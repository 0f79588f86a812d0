"""Explain why a package cannot be installed: it is for other Pythons or systems, or in another index."""

from __future__ import annotations

import re
from collections.abc import Sequence

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builds.imaging.bases.probe import Probe
from builds.imaging.pip.listings import ListedFile, in_words, pythons_of, systems_of
from builds.imaging.pip.pylock import target_tags
from builds.imaging.pip.targets.systems import for_one_system
from builds.imaging.reporting import ImageError

_OLDEST = (3, 6)  # of the Pythons that bases may have
_LOCAL = re.compile(r"\+(?P<local>[A-Za-z0-9.]+)$")
_TORCH = re.compile(r"(?:cu\d{2,3}|cpu|rocm[\d.]+|xpu)")
_OF_TORCH = re.compile(
    r"torch|torchvision|torchaudio|torchtext|torchdata|triton|pytorch-triton.*|xformers|fbgemm-gpu.*"
)
_OF_PYG = re.compile(r"torch-(?:scatter|sparse|cluster|spline-conv|geometric)|pyg-lib")
_IN_PYG = re.compile(r"pt(?P<torch>\d{2,3})(?P<cuda>cu\d{2,3}|cpu)")


def unavailable(name: str, version: str, files: Sequence[ListedFile], probe: Probe) -> ImageError | None:
    """Return the error for a package of which nothing listed runs on a base, and why; None where something does.

    `version` is empty for all versions.
    """
    mine = [file for file in files if not version or _same(file, version)]
    wheels = [file for file in mine if file.tags]
    here = frozenset(target_tags(probe))
    if not mine or any(file.runs_on(probe.version) and (not file.tags or file.tags & here) for file in mine):
        return for_one_system(name) if mine and not any(file.tags & here for file in wheels) else None
    named = f"{name} {version}".rstrip()
    if not any(file.runs_on(probe.version) for file in mine):
        return _for_pythons(named, mine, files, probe)
    if systems := systems_of(file.filename for file in wheels):
        return for_one_system(name, version, systems)
    if pythons_of(wheels) and not _minor(probe) & _pythons(wheels):
        return _for_pythons(named, mine, files, probe)
    return None


def wheels_of(name: str, version: str, files: Sequence[ListedFile], probe: Probe) -> tuple[str, str]:
    """Return a phrase about the wheels of a version that has none for a base, and what to do; empty where unknown."""
    mine = [file for file in files if file.tags and _same(file, version)]
    newest = _with_wheel(files, probe)
    pin = f"pin {name}=={newest}, which has a wheel" if newest else ""
    if systems := systems_of(file.filename for file in mine):
        ways = [f"leave it out if it is for {systems} alone", pin]
        return f"{version} has wheels for {systems} only", _ways(ways)
    if pythons := pythons_of(mine):
        ways = [_bases(pythons), pin]
        return f"{version} has wheels for Python {pythons} only", _ways(ways)
    if mine or newest or not files:
        return "", _ways([pin])
    if any(file.tags for file in files):
        return "no version of it has a wheel for this base in the index", ""
    return "no version of it has a wheel in the index", ""


def _bases(pythons: str) -> str:
    """Return the advice to take a base with one of these Pythons; empty where none of them can be a base."""
    able = [text for text in re.findall(r"[\d.]+", pythons) if tuple(map(int, text.split("."))) >= _OLDEST]
    return f"take a base image with Python {in_words(able).replace(' and ', ' or ')}" if able else ""


def _ways(ways: Sequence[str]) -> str:
    text = ", or ".join(filter(None, ways))
    return f"{text[:1].upper()}{text[1:]}"


def advice_for_version(name: str, version: str) -> str:
    """Return what to do about a version that no index has: versions with + are in indexes of their makers."""
    local = _LOCAL.search(version)
    if local is None:
        return "Pin a version that exists."
    normal = str(canonicalize_name(name))
    plain = version.partition("+")[0]
    if _TORCH.fullmatch(local["local"]) and _OF_TORCH.fullmatch(normal):
        return (
            f"+{local['local']} is in PyTorch's own index: add the line"
            f" --extra-index-url https://download.pytorch.org/whl/{local['local']}"
        )
    if _OF_PYG.fullmatch(normal) and (pyg := _IN_PYG.fullmatch(local["local"])) is not None:
        torch = f"{pyg['torch'][0]}.{pyg['torch'][1:]}.0+{pyg['cuda']}"
        return f"+{local['local']} is at PyG: add the line --find-links https://data.pyg.org/whl/torch-{torch}.html"
    if normal in ("jax", "jaxlib"):
        return (
            f"+{local['local']} is at Google: add the line"
            " --find-links https://storage.googleapis.com/jax-releases/jax_cuda_releases.html"
        )
    if normal == "dgl":
        return (
            f"+{local['local']} is at DGL: add the line"
            f" --find-links https://data.dgl.ai/wheels/{local['local']}/repo.html"
        )
    return (
        f"Versions with + are not on PyPI but with their maker: add --extra-index-url or --find-links with the"
        f" address that the maker names; or write {name}=={plain}."
    )


def _for_pythons(
    named: str, mine: Sequence[ListedFile], files: Sequence[ListedFile], probe: Probe
) -> ImageError:
    """Return the error for a version that is for other Pythons, which it names."""
    required = sorted({file.requires_python for file in mine if file.requires_python})
    excluded = bool(required) and not any(file.runs_on(probe.version) for file in mine)
    pythons = pythons_of(mine)
    made = [f"Python {pythons}"] if pythons else []
    made += [f"Requires-Python: {in_words(required)}"] if excluded else []
    made_for = f"{made[0]} ({made[1]})" if len(made) == 2 else "".join(made)
    verb = "is made for" if excluded else "has wheels for"
    name = named.partition(" ")[0]
    newest = _with_wheel(files, probe)
    other = (
        f", or pin {name}=={newest}, which has a wheel for it"
        if newest
        else ", or another version of the package"
    )
    bases = _bases(pythons) or "take a base image with another Python"
    return ImageError(
        "no-matching-python",
        f"{named} {verb} {made_for}, and the base image has Python {probe.version}.",
        f"{bases[:1].upper()}{bases[1:]}{other}.",
    )


def _with_wheel(files: Sequence[ListedFile], probe: Probe) -> str:
    """Return the newest release with a wheel for a base; empty where there is none."""
    here = frozenset(target_tags(probe))
    versions = [
        file.version
        for file in files
        if file.tags & here
        and file.runs_on(probe.version)
        and not file.withdrawn
        and not file.version.is_prerelease
    ]
    return str(max(versions)) if versions else ""


def _pythons(wheels: Sequence[ListedFile]) -> set[str]:
    return {tag.interpreter for file in wheels for tag in file.tags}


def _minor(probe: Probe) -> set[str]:
    major, minor = probe.minor
    return {f"cp{major}{minor}", f"py{major}{minor}", f"py{major}"}


def _same(file: ListedFile, version: str) -> bool:
    try:
        return file.version == Version(version)
    except InvalidVersion:
        return False
