"""From fetched wheels to layers in the store, over as many cores as there are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

from builds.images.bytecode import Compilers, interpreter_for
from builds.images.grouping import Grouping, grouped
from builds.images.layer import Layer, LayerWriter
from builds.images.report import ImageError, Reporter
from builds.images.segment import Packer, Segment, WheelFile
from builds.images.workshop import Workshop

_GLANCE_SECONDS = 0.25

Packed = dict[str, tuple[Segment, bool]]


def package_layers(
    wheels: Sequence[WheelFile],
    python: tuple[int, int],
    budget: int,
    workshop: Workshop,
    reporter: Reporter,
) -> list[Layer]:
    """Return the layers that hold these wheels, lowest first; made now, or found as they were made before."""
    grouping = grouped(wheels, budget)
    with _packer(python, workshop, reporter) as packer:
        segments = _pack(grouping, packer, workshop.jobs, reporter)
        spread = _apart(grouping, segments, reporter)
        if spread != grouping:
            # Those taken out of their bucket are packed again, as layers.
            segments |= _pack(Grouping(spread.alone, ()), packer, workshop.jobs, reporter)
    reused = sum(found for _, found in segments.values())
    if segments:
        reporter.line(
            f"{len(segments)} packages: {reused} packed before, {len(segments) - reused} packed now"
        )
    layers = [layer for w in spread.alone if (layer := segments[w.name][0].layer) is not None]
    for bucket in spread.buckets:
        reporter.check()
        layers.append(_bucket([segments[w.name][0] for w in bucket], workshop))
    return layers


@contextmanager
def _packer(python: tuple[int, int], workshop: Workshop, reporter: Reporter) -> Iterator[Packer]:
    interpreter = interpreter_for(python) if workshop.bytecode else None
    if workshop.bytecode and interpreter is None:
        reporter.line(
            f"No bytecode, as no Python {python[0]}.{python[1]} is here to make it; imports take longer"
        )
    with ExitStack() as stack:
        compilers = stack.enter_context(Compilers(interpreter, workshop.jobs)) if interpreter else None
        yield Packer(workshop, python, compilers)


def _pack(grouping: Grouping, packer: Packer, jobs: int, reporter: Reporter) -> Packed:
    """Pack every wheel, the largest first, and say how far it is."""
    work = [(wheel, True) for wheel in grouping.alone]
    work += [(wheel, False) for bucket in grouping.buckets for wheel in bucket]
    work.sort(key=lambda item: -item[0].size)
    total, done = sum(wheel.size for wheel, _ in work), 0
    packed: Packed = {}
    # One thread more than cores: while it waits for bytecode, another one packs.
    with ThreadPoolExecutor(jobs + 1, thread_name_prefix="pack") as pool:
        waiting: dict[Future[tuple[Segment, bool]], WheelFile] = {
            pool.submit(packer.pack, wheel, alone=alone): wheel for wheel, alone in work
        }
        try:
            while waiting:
                ended, _ = wait(waiting, _GLANCE_SECONDS, FIRST_COMPLETED)
                reporter.check()
                for future in ended:
                    wheel = waiting.pop(future)
                    packed[wheel.name] = future.result()
                    done += wheel.size
                if ended:
                    reporter.progress(done, total, "bytes")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            packer.abandon()
            raise
    return packed


def _apart(grouping: Grouping, segments: Packed, reporter: Reporter) -> Grouping:
    """Give wheels that share a file layers of their own: engines refuse a path that is twice in one layer."""
    owners: dict[str, str] = {}
    pairs: set[tuple[str, str]] = set()
    everyone = [*grouping.alone, *(w for bucket in grouping.buckets for w in bucket)]
    for wheel in sorted(everyone, key=lambda w: w.name):
        for path in segments[wheel.name][0].paths:
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
    folders: dict[str, str] = {}
    for path, owner in owners.items():
        above = path.rpartition("/")[0]
        while above and above not in folders:
            folders[above] = owner
            above = above.rpartition("/")[0]
    for path in folders.keys() & owners.keys():
        raise ImageError(
            "package-clash",
            f"{owners[path]} brings a file /{path}, which is a folder in {folders[path]}.",
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
