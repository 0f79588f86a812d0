"""Pack fetched wheels into layers in the store, on every core."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from builds.imaging.files import WheelFile
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.packing.grouping import Grouping, grouped
from builds.imaging.packing.packers import Work, pack_all
from builds.imaging.packing.segment import Segment
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop


def package_layers(
    wheels: Sequence[WheelFile],
    python: tuple[int, int],
    budget: int,
    workshop: Workshop,
    reporter: Reporter,
) -> list[Layer]:
    """Return the layers that hold these wheels, lowest first; made now, or found as they were made before."""

    def pack(work: Sequence[Work]) -> dict[str, Segment]:
        return pack_all(work, python, workshop, reporter)

    return spread_layers(wheels, pack, budget, workshop, reporter)


def spread_layers(
    files: Sequence[WheelFile],
    pack: Callable[[Sequence[Work]], dict[str, Segment]],
    budget: int,
    workshop: Workshop,
    reporter: Reporter,
) -> list[Layer]:
    """Return the layers of these packages of any kind: big packages alone, small packages in buckets."""
    grouping = grouped(files, budget)
    segments = pack(_work(grouping))
    spread = _apart(grouping, segments, reporter)
    if spread != grouping:
        # Those taken out of their bucket are packed again, as layers.
        segments |= pack(_work(Grouping(spread.alone, ())))
    layers = [layer for w in spread.alone if (layer := segments[w.name].layer) is not None]
    for bucket in spread.buckets:
        reporter.check()
        layers.append(_bucket([segments[w.name] for w in bucket], workshop))
    return layers


def _work(grouping: Grouping) -> list[Work]:
    together = [wheel for bucket in grouping.buckets for wheel in bucket]
    return [(wheel, True) for wheel in grouping.alone] + [(wheel, False) for wheel in together]


def _apart(grouping: Grouping, segments: Mapping[str, Segment], reporter: Reporter) -> Grouping:
    """Give wheels that share a file layers of their own: engines refuse a path that is twice in one layer."""
    owners: dict[str, str] = {}
    pairs: set[tuple[str, str]] = set()
    everyone = [*grouping.alone, *(w for bucket in grouping.buckets for w in bucket)]
    for wheel in sorted(everyone, key=lambda w: w.name):
        for path in segments[wheel.name].paths:
            first = owners.setdefault(path, wheel.name)
            if first != wheel.name and (first, wheel.name) not in pairs:
                reporter.line(f"{first} and {wheel.name} both bring /{path}: that of {wheel.name} is used")
                pairs.add((first, wheel.name))
    _refuse_file_as_folder(owners)
    clashing = {name for pair in pairs for name in pair}
    if not clashing:
        return grouping
    inside = {w.name for bucket in grouping.buckets for w in bucket}
    moved = [w for w in everyone if w.name in clashing & inside]
    return Grouping(
        alone=tuple(sorted((*grouping.alone, *moved), key=lambda w: w.name)),
        buckets=tuple(
            rest
            for bucket in grouping.buckets
            if (rest := tuple(w for w in bucket if w.name not in clashing))
        ),
    )


def _refuse_file_as_folder(owners: dict[str, str]) -> None:
    folders: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in owners}:
        above = folder
        while above and above not in folders:
            folders.add(above)
            above = above.rpartition("/")[0]
    for path in sorted(folders & owners.keys()):
        inside = min(inner for inner in owners if inner.startswith(f"{path}/"))
        raise ImageError(
            "package-clash",
            f"{owners[path]} brings a file /{path}, which is a folder in {owners[inside]}.",
            "Leave one of the two packages out.",
        )


def _bucket(segments: Sequence[Segment], workshop: Workshop) -> Layer:
    """Return the layer that holds these small packages together."""
    key = json.dumps([segment.key for segment in segments])
    known = workshop.recall("buckets", key)
    if known is not None:
        layer = Layer.from_json(known)
        if workshop.store.has(layer.descriptor.digest):
            return layer
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob)
        for path in sorted({path for segment in segments for path in segment.paths}):
            writer.tree(path)
        for segment in segments:
            if segment.file is not None:
                writer.splice(segment.file)
        layer = writer.commit(", ".join(f"{s.name} {s.version}" for s in segments))
    workshop.remember("buckets", key, layer.to_json())
    return layer
