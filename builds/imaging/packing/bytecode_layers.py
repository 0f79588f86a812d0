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
_FORMAT = "bytecode-1"


def buckets_within(budget: int) -> int:
    """Return how many of that many layers are for bytecode."""
    return min(BUCKETS, max(1, budget // 10))


def bytecode_layers(
    segments: Sequence[Segment],
    reached: Mapping[str, Mapping[str, Module]],
    interpreter: Interpreter,
    count: int,
    workshop: Workshop,
    reporter: Reporter,
) -> list[Layer]:
    """Return the layers with the bytecode of the reached modules; a package's layer depends on its own name."""
    # Bytecode that a wheel brings itself stays.
    taken = {path for segment in segments for path in segment.files}
    buckets: dict[int, list[tuple[Segment, dict[str, Module]]]] = {}
    for segment in sorted(segments, key=lambda segment: segment.name):
        own = {
            path: module
            for path, module in sorted(reached.get(segment.name, {}).items())
            if module.length and bytecode.cached_path(path, interpreter.minor) not in taken
        }
        if own:
            number = int.from_bytes(hashlib.sha256(segment.name.encode()).digest()[4:8], "big") % count
            buckets.setdefault(number, []).append((segment, own))
    making = partial(
        _bucket, modules=Modules(workshop, interpreter), interpreter=interpreter, workshop=workshop
    )
    return each_of(making, [bucket for _, bucket in sorted(buckets.items())], workshop.jobs, reporter)


def _bucket(
    bucket: Sequence[tuple[Segment, Mapping[str, Module]]],
    modules: Modules,
    interpreter: Interpreter,
    workshop: Workshop,
) -> Layer:
    contents = [[segment.key, identity(own)] for segment, own in bucket]
    key = json.dumps([_FORMAT, bytecode.key(interpreter), workshop.codec.key, contents])
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
