"""Layers of bytecode: above the packages' own layers, so that those do not depend on what is compiled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial

from builds.imaging.bytecode import compilers as bytecode
from builds.imaging.bytecode.interpreters import Interpreter
from builds.imaging.interruptible import each_of
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.packing.modules import Module, Modules, identity
from builds.imaging.packing.segment import Segment
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop

BUCKETS = 4
# Bytecode of so much gets a layer of its own: what a small package changes is small then.
BIG = 4 * 1024**2
_MOST_BIG = 6
FORMAT = "bytecode-2"


Compiled = tuple[Segment, Mapping[str, Module]]
"""A package, and its modules that have bytecode, by the paths of their sources."""


def bytecode_budget(budget: int) -> int:
    """Return how many of that many layers are for bytecode."""
    return min(BUCKETS + _MOST_BIG, max(1, budget // 4))


def bytecode_layers(
    segments: Sequence[Segment],
    reached: Mapping[str, Mapping[str, Module]],
    interpreter: Interpreter,
    budget: int,
    workshop: Workshop,
    reporter: Reporter,
) -> list[Layer]:
    """Return at most `budget` layers with the bytecode of the reached modules: much of it alone, the rest in buckets.

    A package's bucket depends on its own name.
    """
    # Bytecode that a wheel brings itself stays.
    taken = {path for segment in segments for path in segment.files}
    compiled: list[Compiled] = []
    for segment in sorted(segments, key=lambda segment: segment.name):
        own = {
            path: module
            for path, module in sorted(reached.get(segment.name, {}).items())
            if module.length and bytecode.cached_path(path, interpreter.minor) not in taken
        }
        if own:
            compiled.append((segment, own))
    making = partial(
        _bucket, modules=Modules(workshop, interpreter), interpreter=interpreter, workshop=workshop
    )
    contents = _spread(compiled, budget)
    # The largest first, so that no core waits for one at the end; and each is sent while others are made.
    largest = sorted(range(len(contents)), key=lambda number: -_length(contents[number]))
    made = each_of(
        making,
        (contents[number] for number in largest),
        workshop.jobs,
        reporter,
        lambda layer: workshop.layers_ready([layer.descriptor]),
    )
    return [layer for _, layer in sorted(zip(largest, made, strict=True), key=lambda item: item[0])]


def _length(contents: Sequence[Compiled]) -> int:
    return sum(module.length for _, own in contents for module in own.values())


def _spread(compiled: Sequence[Compiled], budget: int) -> list[list[Compiled]]:
    """Return what goes into each layer."""
    count = max(1, min(BUCKETS, budget))
    sizes = {each[0].name: _length([each]) for each in compiled}
    big = sorted((name for name, size in sizes.items() if size >= BIG), key=lambda name: (-sizes[name], name))
    alone = set(big[: budget - count])
    buckets: dict[int, list[Compiled]] = {}
    for segment, own in compiled:
        if segment.name not in alone:
            number = int.from_bytes(hashlib.sha256(segment.name.encode()).digest()[4:8], "big") % count
            buckets.setdefault(number, []).append((segment, own))
    layers = [[each] for each in compiled if each[0].name in alone]
    return layers + [bucket for _, bucket in sorted(buckets.items())]


def _bucket(
    bucket: Sequence[Compiled],
    modules: Modules,
    interpreter: Interpreter,
    workshop: Workshop,
) -> Layer:
    contents = [[segment.key, identity(own)] for segment, own in bucket]
    key = json.dumps([FORMAT, bytecode.key(interpreter), workshop.codec.key, contents])
    known = workshop.recall("buckets", key)
    if known is not None:
        layer = Layer.from_json(known)
        if workshop.store.has(layer.descriptor.digest):
            return layer
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob, workshop.codec)
        for path in sorted(path for _, own in bucket for path in own):
            writer.tree(bytecode.cached_path(path, interpreter.minor))
        for _, own in bucket:
            for entry in modules.entries(own.values()):
                writer.tar.entries(entry)
        names = ", ".join(f"{segment.name} {segment.version}" for segment, _ in bucket)
        layer = writer.commit(f"bytecode of {names}")
    workshop.remember("buckets", key, layer.to_json())
    return layer
