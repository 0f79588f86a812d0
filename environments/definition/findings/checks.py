"""Checks on a definition that has been read: packages, channels, Python, secrets."""

from __future__ import annotations

import datetime as dt
import re

from environments.definition.findings import cutoffs, misnamed, secrets
from environments.definition.findings.named_environments import NamedEnvironment, image_of
from environments.definition.findings.result import Draft
from environments.definition.packages.buildable import ignored_on, problem_of
from environments.definition.packages.specs import (
    BadSpec,
    Spec,
    conda_spec,
    pip_name,
    pip_spec,
    single_equals,
)
from environments.definition.packages.versions import is_newer
from environments.definition.syntax.reference import BadReference, ImageReference
from environments.definition.syntax.text import Placed
from environments.network.urls import UnreadableUrl, parse_url

END_OF_LIFE = {
    "2.7": "2020-01-01",
    "3.4": "2019-03-18",
    "3.5": "2020-09-30",
    "3.6": "2021-12-23",
    "3.7": "2023-06-27",
    "3.8": "2024-10-07",
    "3.9": "2025-10-31",
    "3.10": "2026-10-31",
    "3.11": "2027-10-31",
    "3.12": "2028-10-31",
    "3.13": "2029-10-31",
    "3.14": "2030-10-31",
}
NEAR = dt.timedelta(days=183)
PLACEHOLDER = re.compile(r"\$?(?<!\{)\{\{[^\n]{0,120}?\}\}")
# Containers also take the '.' and '-' of Java's and Spark's names.
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_R = re.compile(r"_?r(?:-.*)?|bioconductor-.*|mro-.*")
# Programs that environments of R alone hold, and that need no Python.
_BESIDE_R = re.compile(
    r"pandoc|make|cmake|git|curl|gcc.*|gxx.*|gfortran.*|compilers|(?:c|cxx|fortran)-compiler|lib.+|zlib|openssl|gdal|proj|geos|udunits2|radian|texlive-core"
)
_URL = re.compile(r"\bhttps?:[^\s;\"']*", re.IGNORECASE)
_OLD_IMAGES = (
    (re.compile(r"ubuntu.?(14\.?04|16\.?04|18\.?04|20\.?04)"), "its Ubuntu is past standard support"),
    (re.compile(r"(^|/)centos(:|$)"), "CentOS Linux has ended"),
    (
        re.compile(r"debian:(8|9|10|jessie|stretch|buster)|-(jessie|stretch|buster)(-|$)"),
        "its Debian has ended",
    ),
    (
        re.compile(r"azureml/(base|base-gpu|intelmpi2018|openmpi3\.1\.2|o16n-)"),
        "the image family was retired",
    ),
    (re.compile(r"(^|/)python:(2|3\.[0-9](?![0-9]))"), "its Python is past its end of life"),
)


def check(draft: Draft, today: dt.date | None = None) -> None:
    """Add to the draft all findings about its content."""
    conda = _conda(draft)
    pip = _pip(draft)
    secrets.check(draft)
    cutoffs.check(draft)
    _variables(draft)
    _placeholders(draft)
    _addresses(draft)
    if draft.image is not None:
        draft.image = _resolved(draft, draft.image)
        check_image(draft, draft.image)
    if draft.user_managed and (draft.conda or draft.pip):
        draft.note("user-managed-packages", (draft.conda + draft.pip)[0])
    _serving(draft, pip)
    if draft.locked:
        return
    _unpinned(draft, conda + pip)
    misnamed.check(draft, conda, pip)
    _duplicates(draft, conda)
    _duplicates(draft, pip)
    if draft.conda:
        _conda_as_a_whole(draft, conda, today or dt.datetime.now(dt.UTC).date())


def _resolved(draft: Draft, image: Placed) -> Placed:
    """Return the image of the environment that is named in its stead, where the studio has that."""
    environment = NamedEnvironment.parse(image)
    reference = image_of(environment) if environment else ""
    if not reference:
        return image
    draft.note("image-of-environment", image, what=str(image), image=reference)
    return image.moved(reference)


def check_image(draft: Draft, image: Placed) -> None:
    """Say what is wrong with, or to be known of, this base image."""
    if image == "host" or PLACEHOLDER.search(image):
        return
    environment = NamedEnvironment.parse(image)
    if environment:
        draft.note("image-is-environment", image, what=str(image), help=environment.advice)
        return
    try:
        reference = ImageReference.parse(image)
    except BadReference as reason:
        draft.note("bad-image", image, what=str(reason))
        return
    if reference.floating:
        draft.note("base-floating", image, image=str(reference))
    for pattern, why in _OLD_IMAGES:
        if pattern.search(f"{reference.repository}:{reference.tag or ''}"):
            draft.note("base-deprecated", image, image=str(reference), why=why)
            break


def _conda(draft: Draft) -> list[tuple[Placed, Spec]]:
    specs = []
    for text in draft.conda:
        if secrets.holds_secret(text):
            continue
        if PLACEHOLDER.search(text):
            specs += _unfilled(text, "conda")
            continue
        try:
            specs.append((text, conda_spec(str(text))))
        except BadSpec as reason:
            draft.note("bad-conda-spec", text, what=str(text), why=str(reason), help=reason.help)
    return specs


def _unfilled(text: Placed, ecosystem: str) -> list[tuple[Placed, Spec]]:
    """Return the name of a package whose version is a template placeholder."""
    name = re.match(r"[A-Za-z0-9_][\w.-]*", text)
    if name is None:
        return []
    whole = pip_name(name[0]) if ecosystem == "pip" else name[0].lower()
    return [(text, Spec(str(text), whole, ecosystem, str(text)))]


def _pip(draft: Draft) -> list[tuple[Placed, Spec]]:
    specs = []
    for text in draft.pip:
        if secrets.holds_secret(text):
            continue
        if PLACEHOLDER.search(text):
            specs += _unfilled(text, "pip")
            continue
        try:
            spec = pip_spec(str(text))
        except BadSpec as reason:
            _bad_requirement(draft, text, reason)
            continue
        if not draft.user_managed:
            _buildable(draft, text)
        if spec is not None:
            specs.append((text, spec))
    return specs


def _bad_requirement(draft: Draft, text: Placed, reason: BadSpec) -> None:
    fixed = single_equals(text)
    if fixed:
        draft.note("single-equals", text, what=str(text), fixed=fixed)
        return
    problem = problem_of(text) if "${" in text or not reason.help else None
    why, help = (problem.why, problem.help) if problem else (str(reason), reason.help)
    draft.note("bad-requirement", text, what=str(text), why=why, help=help)


def _buildable(draft: Draft, text: Placed) -> None:
    """Say what a build would refuse or pass over, by the check that the build itself makes."""
    problem = problem_of(text)
    if problem is not None:
        code = "local-path" if problem.path else "not-buildable"
        project = "yes" if problem.project else ""
        draft.note(
            code,
            text,
            what=str(text),
            why=problem.why,
            help=problem.help,
            instead=problem.instead,
            project=project,
        )
        return
    for what, why, help in ignored_on(text):
        draft.note("option-ignored", text, what=what, why=why, help=help)


def _variables(draft: Draft) -> None:
    for name, value in draft.variables.items():
        if not _VARIABLE_NAME.fullmatch(name) and not PLACEHOLDER.search(name):
            draft.note("bad-variable", value, what=name[:80])


def _placeholders(draft: Draft) -> None:
    texts = [*draft.channels, *draft.conda, *draft.pip, *draft.variables.values()]
    if draft.image is not None:
        texts.append(draft.image)
    for text in texts:
        match = PLACEHOLDER.search(text)
        if match:
            draft.note("template-placeholder", text, what=match[0])


def _addresses(draft: Draft) -> None:
    for text in (*draft.channels, *draft.conda, *draft.pip, *map(Placed, draft.package_indexes.values())):
        if "${" in text or PLACEHOLDER.search(text):
            continue
        for url in _URL.findall(re.sub(r"(^|\s)#.*$", "", text)):
            try:
                parse_url(url)
            except UnreadableUrl as error:
                draft.note("unreadable-address", text, why=str(error))


def _unpinned(draft: Draft, specs: list[tuple[Placed, Spec]]) -> None:
    for text, spec in specs:
        if PLACEHOLDER.search(text):
            continue
        if not spec.pinned and spec.name not in ("pip", "python", "setuptools", "wheel"):
            draft.note("unpinned-package", text, what=spec.name, ecosystem=spec.ecosystem)


def _duplicates(draft: Draft, specs: list[tuple[Placed, Spec]]) -> None:
    seen: dict[tuple[str, str], Placed] = {}
    for text, spec in specs:
        marker = spec.constraint.partition(";")[2]
        first = seen.setdefault((spec.name, marker), text)
        if first is not text and spec.name != "python":
            draft.note("duplicate-package", text, what=spec.name, first=first.line)


def _serving(draft: Draft, pip: list[tuple[Placed, Spec]]) -> None:
    """Advice where the definition is for serving, or asks for the package in too old a version (rule 40)."""
    requested = next(((text, spec) for text, spec in pip if spec.name == "azureml-defaults"), None)
    if requested is None:
        if draft.inference is not None or draft.run.inferencing_stack_version:
            draft.note("serving-defaults", draft.pip[0] if draft.pip else None)
    elif is_newer("1.0.45", requested[1].exact or "1.0.45", "pip"):
        draft.note("serving-defaults", requested[0])


def _conda_as_a_whole(draft: Draft, specs: list[tuple[Placed, Spec]], today: dt.date) -> None:
    names = {spec.name for _, spec in specs}
    first = draft.conda[0]
    if (
        not draft.channels
        and not draft.any_channel
        and not all(spec.channel or spec.url for _, spec in specs)
    ):
        draft.note("no-channel", first)
    if draft.has_pip_section and "pip" not in names:
        draft.note("pip-without-pip", draft.pip[0] if draft.pip else first)
    pythons = [(text, spec) for text, spec in specs if spec.name == "python"]
    unpinned = not pythons or all(not spec.constraint and not spec.url for _, spec in pythons)
    if unpinned and (draft.pip or not _is_r_alone(names)):
        draft.note("python-missing", pythons[0][0] if pythons else first)
    for text, _ in pythons[1:]:
        draft.note("python-several", text)
    exact = [spec for text, spec in specs if spec.build and spec.exact]
    if exact:
        draft.note("build-string", first, count=len(exact))
    for text, spec in pythons[:1]:
        check_python(draft, text, spec.exact, today)


def _is_r_alone(names: set[str]) -> bool:
    """Whether only packages of R are requested, which need no Python."""
    of_r = [name for name in names if _R.fullmatch(name)]
    return bool(of_r) and all(name in of_r or _BESIDE_R.fullmatch(name) for name in names)


def check_python(draft: Draft, at: Placed, version: str, today: dt.date) -> None:
    """Add a finding if this Python version is near or past its end of life."""
    minor = ".".join(version.split(".")[:2])
    end = END_OF_LIFE.get(minor)
    if end is None:
        return
    day = dt.date.fromisoformat(end)
    if day <= today:
        draft.note("python-unsupported", at, version=minor, date=end)
    elif day - today <= NEAR:
        draft.note("python-near-end", at, version=minor, date=end)
