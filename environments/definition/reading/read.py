"""Reading: from a text, a file, a folder or an archive to a definition, or to the reasons why not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from environments.definition.files.folder import DiskFolder, Folder, NoFolder, RecordedFolder, is_archive
from environments.definition.files.limits import Limits, size_text
from environments.definition.findings import checks, secrets
from environments.definition.findings.finding import Finding
from environments.definition.findings.result import Draft, Offers, Reading, Refused
from environments.definition.formats import platforms, trees
from environments.definition.formats.azure import curated
from environments.definition.formats.conda import package_list
from environments.definition.formats.encoding import decode, decode_damaged
from environments.definition.formats.source import Source
from environments.definition.model import HOST, LINUX, Selection
from environments.definition.packages.locked import SUBDIRS
from environments.definition.reading import recognise
from environments.definition.reading.choose_file import read_folder
from environments.definition.reading.other_tools import other_file
from environments.definition.syntax.conflicts import conflicts
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Sequence

# Findings about something that may be in the part of a file that was not read.
_OF_WHOLE_FILES = frozenset(
    ("base-missing", "empty", "empty-lock", "no-channel", "pip-without-pip", "python-missing")
)


def read(
    content: bytes | str,
    filename: str = "",
    *,
    default_image: str = HOST,
    limits: Limits | None = None,
    selection: Selection | None = None,
) -> Reading:
    """Read one file by itself. Never raises for its content: faults are among the findings."""
    source = Source(NoFolder(), filename, limits=limits or Limits())
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return _read(raw, source, _draft(default_image, selection))


def read_in(
    text: str, filename: str, folder: Folder, *, default_image: str = HOST, limits: Limits | None = None
) -> Reading:
    """Read a text as if it were a file of this folder, with the files there that it names."""
    source = Source(folder, filename, limits=limits or Limits())
    return _read(text.encode("utf-8", "surrogatepass"), source, _draft(default_image, None))


def read_path(
    path: Path,
    *,
    default_image: str = HOST,
    limits: Limits | None = None,
    selection: Selection | None = None,
) -> Reading:
    """Read a file with the files beside it that it names, a folder, or an archive. Raises OSError only."""
    limits = limits or Limits()
    draft = _draft(default_image, selection)
    if path.is_dir():
        return _read_folder(DiskFolder(path), draft, limits)
    with path.open("rb") as file:
        content = file.read(limits.context + 1)
    return _read(content, Source(DiskFolder(path.parent), path.name, limits=limits), draft)


def read_changed(
    text: str, path: Path, *, default_image: str = HOST, selection: Selection | None = None
) -> Reading:
    """Read a text as if it were in this file, with the files beside it that it names."""
    source = Source(DiskFolder(path.parent), path.name, limits=Limits())
    return _read(text.encode("utf-8", "surrogatepass"), source, _draft(default_image, selection))


def read_folder_of(
    folder: Folder,
    *,
    default_image: str = HOST,
    limits: Limits | None = None,
    selection: Selection | None = None,
) -> Reading:
    """Read several files that were given together, as the folder that they make."""
    return _read_folder(folder, _draft(default_image, selection), limits or Limits())


def _draft(default_image: str, selection: Selection | None) -> Draft:
    selection = selection or Selection()
    # A lock of several platforms is read for the chosen platform.
    platform = selection.platforms[0] if selection.platforms and selection.platforms[0] in SUBDIRS else LINUX
    return Draft("unknown", default_image, selection=selection, platform=platform)


def _read(content: bytes, source: Source, draft: Draft) -> Reading:
    if is_archive(content):
        return _read_archive(content, draft, source.limits)
    with suppress(Refused):
        read_text(draft, content, source)
    finish(draft, source.limits)
    return draft.finish()


def _read_archive(content: bytes, draft: Draft, limits: Limits) -> Reading:
    # Loaded here: most files are texts, and the compressors take their time.
    from environments.definition.files.archive import ArchiveTooLarge, BadArchive, unpack

    try:
        folder = unpack(content, limits)
    except BadArchive as reason:
        draft.note("bad-archive", None, what=str(reason), help=reason.help)
    except ArchiveTooLarge as reason:
        help = f"{reason.largest}: pack the archive without it, or have the administrator raise the limit."
        help = help if reason.largest else ""
        draft.note("too-large", None, what="the archive", size=reason.size, limit=reason.limit, help=help)
    else:
        return _read_folder(folder, draft, limits)
    draft.format = "archive"
    return draft.finish()


def _read_folder(folder: Folder, draft: Draft, limits: Limits) -> Reading:
    recorded = RecordedFolder(folder)
    with suppress(Refused):
        read_folder(draft, Source(recorded, limits=limits), read_text)
    finish(draft, limits)
    reading = draft.finish()
    if reading.definition is not None and reading.definition.context is not None:
        return reading  # it holds its files itself
    return replace(reading, file=draft.file, files=recorded.texts(limits.sources))


def read_text(draft: Draft, content: bytes, source: Source) -> None:
    """Read the text of one file, in any format, into the draft."""
    text = _text(draft, content, source.path, source.limits)
    draft.lines = text.split("\n")
    merge = conflicts(text)
    if merge is None:
        _read_as_format(draft, text, source)
        return
    for line, marker in merge.markers:
        draft.note("merge-conflict", Placed("", line, 1), what=marker)
    for side in merge.sides:
        reading = draft.another()
        reading.lines = side.split("\n")
        with suppress(Refused):
            _read_as_format(reading, side, source)
        finish(reading, source.limits, base=False)
        draft.take_findings(reading)
    raise Refused("merge-conflict")


def _read_as_format(draft: Draft, text: str, source: Source) -> None:
    known = recognise.text_format(text, source.path)
    if known is not None:
        draft.format = known.name
        known.read(draft, text, source)
        return
    other = other_file(text, source.path)
    if other is not None:
        raise draft.refuse("not-a-definition", Placed("", 1), what=other.what, help=other.help)
    _read_tree(draft, text, source)


def finish(draft: Draft, limits: Limits, *, base: bool = True) -> None:
    """Give a list of packages the default base, and say what there is to say, also of a file with errors."""
    if base and not (draft.refused or draft.image or draft.dockerfile or draft.context):
        draft.image = Placed(draft.default_image)
        draft.note("base-assumed", None, image=draft.default_image)
    _check_choice(draft)
    platforms.choose(draft)
    count = len(draft.conda) + len(draft.pip)
    if count > limits.packages:
        limit = f"{limits.packages} packages"
        draft.note("too-large", None, what="the definition", size=f"{count} packages", limit=limit)
    else:
        checks.check(draft)
    if not draft.complete:
        draft.findings = [finding for finding in draft.findings if not _may_follow(draft, finding)]
    if draft.refused:
        secrets.scan(draft)


def _may_follow(draft: Draft, finding: Finding) -> bool:
    """Return whether this is about something that may be in the part of the file that was not read."""
    if finding.code == "missing-key":
        return draft.open_from is not None and (finding.line or 0) >= draft.open_from
    return finding.code in _OF_WHOLE_FILES


def _check_choice(draft: Draft) -> None:
    """Refuse a choice where there is nothing to choose. The readers of projects check their own."""
    chosen = draft.selection
    if draft.offers != Offers() or draft.refused:
        return
    names = {"environment": [chosen.environment], "extra": chosen.extras, "group": chosen.groups}
    for kind, requested in names.items():
        for name in filter(None, requested):
            help = "Leave the choice out: this file holds one set of packages, and no other to choose."
            draft.note("selection-unknown", None, kind=kind, what=name[:100], known="", help=help)
    for name in chosen.no_groups:
        draft.note("group-absent", None, what=name[:80], known="(none)")
    draft.selection = chosen.model_copy(update={"no_groups": (), "no_default_groups": False})


def _text(draft: Draft, content: bytes, name: str, limits: Limits) -> str:
    most, most_lines = limits.of(name, content)
    if len(content) > most:
        size, limit = size_text(len(content)), size_text(most)
        raise draft.refuse("too-large", Placed("", 1), what="the file", size=size, limit=limit)
    text = decode(draft, content) or decode_damaged(content)
    if text is None:
        raise Refused
    if not text.strip():
        raise draft.refuse("empty", Placed("", 1), what="file")
    lines = text.count("\n")
    if lines > most_lines:
        size, limit = f"{lines} lines", f"{most_lines} lines"
        raise draft.refuse("too-large", Placed("", 1), what="the file", size=size, limit=limit)
    return text


def _is_spec_of_folder(tree: Mapping, source: Source) -> bool:
    if not curated.is_templated_spec(tree):
        return False
    return source.folder.read("environment.yaml", source.limits.definition) is not None


def _read_tree(draft: Draft, text: str, source: Source) -> None:
    tree = trees.document(draft, text)
    if isinstance(tree, Mapping):
        if curated.is_asset(tree) or curated.is_image_config(tree) or _is_spec_of_folder(tree, source):
            draft.format = curated.FORMAT
            curated.read(draft, source, Placed("", tree.line, tree.column))
            return
        known = recognise.tree_format(tree)
        if known is not None:
            draft.format = known.name
            known.read(draft, tree, source)
            return
    elif isinstance(tree, Sequence) and package_list.json_recognised(tree):
        draft.format = package_list.FORMAT
        package_list.read_json(draft, tree)
        return
    if draft.refused:
        draft.cut(None)
        raise Refused("not-a-definition")
    line = tree.line if tree is not None else 1
    written, meant = recognise.misspelt_key(tree)
    what = recognise.what_it_is(tree)
    raise draft.refuse("not-a-definition", Placed("", line), what=what, written=written, meant=meant)
