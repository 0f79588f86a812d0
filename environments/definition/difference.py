"""Compare two definitions: packages, everything else, and whether the hash differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, zip_longest

from environments.definition.changes import OtherChange, context_changes, text_changes
from environments.definition.findings import secrets
from environments.definition.findings.result import Reading
from environments.definition.formats import target
from environments.definition.formats.dockerfile_text import base_images
from environments.definition.hash import content_key
from environments.definition.model import Definition
from environments.definition.packages import cutoffs
from environments.definition.packages.locked import LockedPackage
from environments.definition.packages.specs import BadSpec, Spec, conda_spec, pip_spec
from environments.definition.packages.versions import is_newer, meaning, step_between
from environments.definition.syntax.dockerfile import instructions
from environments.definition.syntax.reference import BadReference, ImageReference

ADDED, REMOVED, UPGRADED, DOWNGRADED = "added", "removed", "upgraded", "downgraded"
CONSTRAINT, MOVED, BUILD = "constraint", "moved", "build"


@dataclass(frozen=True, slots=True)
class PackageChange:
    """One package that differs. `old` and `new` are versions or constraints; empty where there is none."""

    name: str
    ecosystem: str
    change: str
    old: str
    new: str

    @property
    def level(self) -> str:
        """The step between two exact versions: major, minor or patch; empty for other changes."""
        exact = self.change in (UPGRADED, DOWNGRADED)
        return step_between(self.old, self.new) if exact else ""


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences between an old and a new side."""

    same_hash: bool
    summary: str
    packages: tuple[PackageChange, ...] = ()
    other: tuple[OtherChange, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The difference as a JSON object."""
        return {
            "same_hash": self.same_hash,
            "summary": self.summary,
            "packages": [asdict(package) | {"level": package.level} for package in self.packages],
            "other": [asdict(change) for change in self.other],
        }


def diff(old: Definition, new: Definition) -> Difference:
    """Return the differences between two definitions, as a reader of the new definition needs them."""
    packages = package_changes(_specs(old), _specs(new))
    other = (*_base_changes(old, new), *_order_changes(old, new), *_further_changes(old, new))
    same = old.hash == new.hash
    only_order = not same and content_key(old) == content_key(new)
    return Difference(same, _summary(packages, other, same, only_order), packages, other)


def diff_readings(old: Reading, new: Reading) -> Difference:
    """Return the differences between two files of any format: definitions, locks, lists of installed packages."""
    if old.definition is not None and new.definition is not None and not (old.packages and new.packages):
        return diff(old.definition, new.definition)
    same = bool(old.definition and new.definition and old.definition.hash == new.definition.hash)
    packages = diff_locks(old.packages, new.packages)
    other: list[OtherChange] = []
    if old.definition and new.definition:
        other += _platform_changes(old.definition, new.definition)
        other += [
            change for change in _order_changes(old.definition, new.definition) if change.kind == "channels"
        ]
    phrases = counted(packages) + [change.text for change in other]
    if not phrases:
        summary = "the same packages" if same else "the same packages, written differently"
    else:
        summary = ", ".join(phrases)
    return Difference(same, summary, packages, tuple(other))


def diff_locks(old: Sequence[LockedPackage], new: Sequence[LockedPackage]) -> tuple[PackageChange, ...]:
    """The packages that differ between two locks: versions, builds, what came and went."""

    # Most of two locks is the same: only what is not, is looked at closely.
    def key(package: LockedPackage) -> tuple[str, ...]:
        return (package.ecosystem, package.name, package.version, package.build)

    same = set(map(key, old)) & set(map(key, new))
    return package_changes(
        *([package.spec for package in side if key(package) not in same] for side in (old, new))
    )


def package_changes(old: Sequence[Spec], new: Sequence[Spec]) -> tuple[PackageChange, ...]:
    """The packages that differ, sorted by ecosystem and name."""
    before, after = _by_name(old), _by_name(new)
    changes = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, ()), after.get(key, ())
        for previous, other in _paired(was, now):
            change = _change(previous, other)
            if change is not None:
                changes.append(change)
    return tuple(_moves(changes))


def _moves(changes: list[PackageChange]) -> list[PackageChange]:
    """One that left conda and came to pip (or back) has moved, and was neither added nor removed."""
    removed = {c.name.replace("_", "-"): c for c in changes if c.change == REMOVED}
    result: list[PackageChange] = []
    moved: set[PackageChange] = set()
    for change in changes:
        other = removed.get(change.name.replace("_", "-")) if change.change == ADDED else None
        if other is not None and other.ecosystem != change.ecosystem:
            old = f"{other.ecosystem} {other.old}".strip()
            result.append(
                PackageChange(
                    change.name, change.ecosystem, MOVED, old, f"{change.ecosystem} {change.new}".strip()
                )
            )
            moved.add(other)
        else:
            result.append(change)
    return [change for change in result if change not in moved]


def _by_name(specs: Iterable[Spec]) -> dict[tuple[str, str], list[Spec]]:
    by_name: dict[tuple[str, str], list[Spec]] = {}
    for spec in specs:
        by_name.setdefault((spec.ecosystem, spec.name), []).append(spec)
    return by_name


def _paired(was: Sequence[Spec], now: Sequence[Spec]) -> list[tuple[Spec | None, Spec | None]]:
    if len(was) <= 1 and len(now) <= 1:
        return [(was[0] if was else None, now[0] if now else None)]
    # The same package several times (by platform or marker): a package on both sides is no change.
    texts_before, texts_now = {spec.text for spec in was}, {spec.text for spec in now}
    left = [spec for spec in was if spec.text not in texts_now]
    right = [spec for spec in now if spec.text not in texts_before]
    return list(zip_longest(left, right))


def _change(old: Spec | None, new: Spec | None) -> PackageChange | None:
    if old is None and new is None:
        return None
    if old is None:
        assert new is not None  # noqa: S101
        return PackageChange(new.name, new.ecosystem, ADDED, "", _shown(new))
    if new is None:
        return PackageChange(old.name, old.ecosystem, REMOVED, _shown(old), "")
    if old.text == new.text:
        return None
    if old.exact and new.exact and old.exact != new.exact and old.extras == new.extras:
        newer = is_newer(new.exact, old.exact, old.ecosystem)
        if newer is not None:
            change = UPGRADED if newer else DOWNGRADED
            return PackageChange(new.name, new.ecosystem, change, old.exact, new.exact)
    same = meaning(old.constraint, old.ecosystem) == meaning(new.constraint, new.ecosystem)
    if same and old.channel == new.channel and old.extras == new.extras:
        if old.build != new.build:
            return PackageChange(
                new.name, new.ecosystem, BUILD, f"{old.exact} {old.build}", f"{new.exact} {new.build}"
            )
        if old.url == new.url:
            return None
    return PackageChange(new.name, new.ecosystem, CONSTRAINT, _shown(old, True), _shown(new, True))


def _shown(spec: Spec, whole: bool = False) -> str:
    if spec.exact and not whole:
        return spec.exact
    text = spec.constraint or spec.exact or spec.url or "*"
    if spec.extras:
        text = f"[{','.join(spec.extras)}] {text}"
    return secrets.masked(f"{spec.channel}::{text}" if spec.channel else text)


def _specs(definition: Definition) -> list[Spec]:
    specs = []
    for text in definition.python.conda:
        try:
            specs.append(conda_spec(text))
        except BadSpec:
            specs.append(Spec(text, text, "conda"))
    for line in definition.python.pip:
        try:
            spec = pip_spec(line)
        except BadSpec:
            spec = Spec(line, line, "pip")
        if spec is not None:
            specs.append(spec)
    return specs


def _base_changes(old: Definition, new: Definition) -> Iterable[OtherChange]:
    if old.image is not None and new.image is not None:
        if old.image != new.image:
            yield OtherChange("image", _image_text(old.image, new.image), old.image, new.image)
        return
    kinds = [_base_kind(old), _base_kind(new)]
    if kinds[0] != kinds[1]:
        yield OtherChange("base", f"base changed to {kinds[1]}", kinds[0], kinds[1])
    if old.dockerfile_text and new.dockerfile_text:
        yield from _stage_changes(old.dockerfile_text, new.dockerfile_text)
        yield from text_changes("dockerfile", "Dockerfile", old.dockerfile_text, new.dockerfile_text)
    yield from context_changes(old, new)


def _stage_changes(old: str, new: str) -> Iterable[OtherChange]:
    """The images that the Dockerfile's stages start from, compared in their order."""
    was, now = ([image for image, _ in base_images(list(instructions(text)))] for text in (old, new))
    for before, after in zip(was, now, strict=False):
        if before != after:
            yield OtherChange("image", _image_text(before, after), before, after)


def _base_kind(definition: Definition) -> str:
    if definition.image is not None:
        return f"the image {definition.image}"
    return "a Dockerfile" if definition.dockerfile is not None else "a build context"


def _image_text(old: str, new: str) -> str:
    try:
        before, after = ImageReference.parse(old), ImageReference.parse(new)
    except BadReference:
        return "base image changed"
    if before.name != after.name:
        return "base image changed"
    return "base image's tag changed" if before.tag != after.tag else "base image's digest changed"


def _order_changes(old: Definition, new: Definition) -> Iterable[OtherChange]:
    was, now = old.python, new.python
    for kind, before, after in (
        ("channels", was.channels, now.channels),
        ("conda order", was.conda, now.conda),
        ("pip order", was.pip, now.pip),
    ):
        if before == after:
            continue
        if kind == "channels":
            text = "channel order changed" if sorted(before) == sorted(after) else "channels changed"
            yield OtherChange(
                "channels",
                text,
                ", ".join(map(secrets.masked, before)),
                ", ".join(map(secrets.masked, after)),
            )
        elif _reordered(before, after):
            yield OtherChange("order", f"{kind.split()[0]} packages reordered")
    yield from _options(was.pip, now.pip)


def _reordered(before: Sequence[str], after: Sequence[str]) -> bool:
    common = set(before) & set(after)
    return [item for item in before if item in common] != [item for item in after if item in common]


def _options(before: Sequence[str], after: Sequence[str]) -> Iterable[OtherChange]:
    was = [line for line in before if line.startswith("-") and pip_spec(line) is None]
    now = [line for line in after if line.startswith("-") and pip_spec(line) is None]
    if was != now:
        yield OtherChange(
            "pip options", "pip options changed", *(secrets.masked("\n".join(x)) for x in (was, now))
        )


def _further_changes(old: Definition, new: Definition) -> Iterable[OtherChange]:
    for kind, what in (("user_managed", "user-managed"), ("interpreter_path", "interpreter path"),
                       ("base_conda_environment", "base conda environment")):  # fmt: skip
        before, after = getattr(old.python, kind), getattr(new.python, kind)
        if before != after:
            yield OtherChange("python", f"{what} changed", str(before), str(after))
    yield from _upload_changes(old, new)
    yield from _platform_changes(old, new)
    for text, was, now in target.changes(old.target, new.target):
        yield OtherChange("target", text, was, now)
    if old.spark != new.spark:
        yield OtherChange("spark", "Spark layer changed", _spark(old), _spark(new))
    for kind, before, after in (
        ("variables", old.variables, new.variables),
        ("properties", old.properties, new.properties),
    ):
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name), after.get(name)
            if was != now:
                how = "added" if was is None else "removed" if now is None else "changed"
                yield OtherChange(kind, f"{name} {how}", was or "", now or "")
    yield from text_changes("smoke_test", "smoke test", old.smoke_test, new.smoke_test)
    if old.inference != new.inference:
        yield OtherChange(
            "inference", "inference routes changed", str(old.inference or ""), str(new.inference or "")
        )
    if old.selection.part != new.selection.part:
        yield OtherChange("selection", "another part of the project", str(old.selection), str(new.selection))
    if old.run != new.run:
        yield OtherChange("run", "options for starting a container changed")


def _platform_changes(old: Definition, new: Definition) -> Iterable[OtherChange]:
    if old.platforms != new.platforms:
        text = "platforms changed" if old.other_platforms or new.other_platforms else "platform changed"
        yield OtherChange("platform", text, ", ".join(old.platforms), ", ".join(new.platforms))


def _upload_changes(old: Definition, new: Definition) -> Iterable[OtherChange]:
    """Changes of the limit on uploads, and of the indexes of single packages."""
    before, after = (cutoffs.in_words(**definition.cutoff.model_dump()) for definition in (old, new))
    if before != after:
        how = "added" if not before else "removed" if not after else "changed"
        yield OtherChange("uploads", f"limit of uploads {how}", before, after)
    was, now = old.python.package_indexes, new.python.package_indexes
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            urls = [secrets.masked(indexes.get(name, "")) for indexes in (was, now)]
            yield OtherChange("indexes", f"index of {name} changed", *urls)


def _spark(definition: Definition) -> str:
    packages = [
        f"{package.group}:{package.artifact}:{package.version}" for package in definition.spark.packages
    ]
    return ", ".join((*definition.spark.repositories, *packages))


# The singular and the plural of a phrase for each kind of change
_PHRASES = {UPGRADED: ("upgraded", "upgraded"), DOWNGRADED: ("downgraded", "downgraded"), ADDED: ("added", "added"),
            REMOVED: ("removed", "removed"), MOVED: ("moved", "moved"),
            CONSTRAINT: ("constraint changed", "constraints changed"), BUILD: ("build changed", "builds changed")}  # fmt: skip


def count_changes(changes: Iterable[PackageChange]) -> dict[str, int]:
    """Return the number of changes of each kind, in the order in which people read them."""
    by_kind: dict[str, int] = {}
    for change in changes:
        by_kind[change.change] = by_kind.get(change.change, 0) + 1
    return {kind: by_kind[kind] for kind in _PHRASES if kind in by_kind}


def counted(changes: Iterable[PackageChange]) -> list[str]:
    """Return `3 upgraded`, `1 constraint changed`: one phrase a kind of change."""
    return [f"{count} {_PHRASES[kind][count > 1]}" for kind, count in count_changes(changes).items()]


def _summary(
    packages: Sequence[PackageChange], other: Sequence[OtherChange], same: bool, only_order: bool
) -> str:
    if only_order:
        return "same content in another order · needs a new image"
    phrases = counted(packages)
    for kind, changes in groupby(other, key=lambda change: change.kind):
        several = list(changes)
        phrases.append(several[0].text if len(several) == 1 else f"{len(several)} changes of {kind}")
    if not phrases:
        return "no differences" if same else "written differently · needs a new image"
    return ", ".join(phrases) + (" · same image" if same else " · needs a new image")
