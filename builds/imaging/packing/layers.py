"""Pack fetched wheels into layers in the store, on every core."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from builds.imaging.files import WheelFile
from builds.imaging.interruptible import each_of
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.packing.bytecode_layers import bytecode_budget, bytecode_layers
from builds.imaging.packing.grouping import Grouping, grouped
from builds.imaging.packing.packers import Compiler, Processes, Work, compiled_modules, pack_all
from builds.imaging.packing.segment import Segment
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop


def package_layers(
    wheels: Sequence[WheelFile],
    order: Sequence[str],
    requested: Collection[str],
    compiler: Compiler,
    budget: int,
    workshop: Workshop,
    reporter: Reporter,
) -> list[Layer]:
    """Return the layers that hold these wheels and their bytecode, lowest first; made now, or found as made before.

    Where several bring the same path, that of the last in the `order` of their names is used. Bytecode is that of what
    imports reach from the `requested` packages.
    """
    packed: dict[str, Segment] = {}
    count = bytecode_budget(budget) if compiler.interpreter is not None else 0
    folders = {wheel.path.parent.absolute() for wheel in wheels}
    with Processes(workshop, compiler, folders) as processes:

        def pack(work: Sequence[Work]) -> dict[str, Segment]:
            segments = pack_all(work, processes, reporter)
            packed.update(segments)
            return segments

        layers = spread_layers(wheels, order, pack, budget - count, workshop, reporter)
        if compiler.interpreter is None:
            return layers
        workshop.layers_ready([layer.descriptor for layer in layers])
        rank = {name: number for number, name in enumerate(order)}
        in_order = [
            (wheel, packed[wheel.name]) for wheel in sorted(wheels, key=lambda wheel: rank[wheel.name])
        ]
        reached = compiled_modules(in_order, requested, processes, reporter)
    return layers + bytecode_layers(
        list(packed.values()), reached, compiler.interpreter, count, workshop, reporter
    )


def spread_layers(
    files: Sequence[WheelFile],
    order: Sequence[str],
    pack: Callable[[Sequence[Work]], dict[str, Segment]],
    budget: int,
    workshop: Workshop,
    reporter: Reporter,
) -> list[Layer]:
    """Return the layers of these packages of any kind: big packages alone, small packages in buckets."""
    grouping = grouped(files, budget)
    segments = pack(work_of(grouping))
    spread = _apart(grouping, segments, order, reporter)
    if spread != grouping:
        # Those taken out of their bucket are packed again, as layers.
        segments |= pack(work_of(Grouping(spread.alone, ())))
    layers = [layer for w in spread.alone if (layer := segments[w.name].layer) is not None]
    buckets = [[segments[w.name] for w in bucket] for bucket in spread.buckets]
    return layers + each_of(partial(_bucket, workshop=workshop), buckets, workshop.jobs, reporter)


def work_of(grouping: Grouping) -> list[Work]:
    """Return what is to be packed, and whether as a layer of its own."""
    together = [wheel for bucket in grouping.buckets for wheel in bucket]
    return [(wheel, True) for wheel in grouping.alone] + [(wheel, False) for wheel in together]


def _apart(
    grouping: Grouping, segments: Mapping[str, Segment], order: Sequence[str], reporter: Reporter
) -> Grouping:
    """Give packages that share a path layers of their own, the last on top.

    Engines refuse a path that is twice in one layer.
    """
    rank = {name: number for number, name in enumerate(order)}
    everyone = [*grouping.alone, *(w for bucket in grouping.buckets for w in bucket)]
    clashing = _clashing([segments[w.name] for w in sorted(everyone, key=lambda w: rank[w.name])], reporter)
    if not clashing:
        return grouping
    apart = sorted((w for w in everyone if w.name in clashing), key=lambda w: rank[w.name])
    return Grouping(
        alone=(*(w for w in grouping.alone if w.name not in clashing), *apart),
        buckets=tuple(
            rest
            for bucket in grouping.buckets
            if (rest := tuple(w for w in bucket if w.name not in clashing))
        ),
    )


def _clashing(segments: Sequence[Segment], reporter: Reporter) -> set[str]:
    """Return the names of packages that bring a path of another; say so where the content differs."""
    owners: dict[str, Segment] = {}
    clashing: set[str] = set()
    reported: set[tuple[str, str]] = set()
    for segment in segments:
        for path, content in segment.files.items():
            before = owners.get(path)
            owners[path] = segment
            if before is None:
                continue
            pair = before.name, segment.name
            clashing.update(pair)
            if content != before.files[path] and pair not in reported:
                reported.add(pair)
                reporter.line(
                    f"{before.name} and {segment.name} both bring /{path}: that of {segment.name} is used"
                )
    _refuse_file_as_folder({path: segment.name for path, segment in owners.items()})
    return clashing


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
        writer = LayerWriter(blob, workshop.codec)
        for path in sorted({path for segment in segments for path in segment.files}):
            writer.tree(path)
        for segment in segments:
            if segment.file is not None:
                writer.splice(segment.file)
        layer = writer.commit(", ".join(f"{s.name} {s.version}" for s in segments))
    workshop.remember("buckets", key, layer.to_json())
    return layer
