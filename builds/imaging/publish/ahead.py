"""Send layers to a registry while others are still made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

import httpx

from builds.imaging.interruptible import completed_batches
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.publish.push import parsed_reference, uploads_to
from builds.imaging.publish.sender import PARALLEL, Sender
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Ready, Workshop


@contextmanager
def pushing_ahead(
    reference: str, origins: Mapping[str, str], workshop: Workshop, reporter: Reporter
) -> Iterator[Ready]:
    """Send each layer that the block hands over, and leave those that were not begun by its end.

    The push of the image finds them in the registry. It also meets what went wrong here again, and reports it.
    """
    target = parsed_reference(reference)
    with closing(uploads_to(target, workshop, origins)) as registry:
        sender = Sender(registry, workshop.store, origins)
        pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="push-ahead")
        begun: list[Future[str]] = []

        def ready(layers: Sequence[Descriptor]) -> None:
            begun.extend(pool.submit(sender.push, layer) for layer in sorted(layers, key=lambda d: -d.size))

        try:
            yield ready
            pool.shutdown(wait=False, cancel_futures=True)
            running = [future for future in begun if not future.cancelled()]
            for _ in completed_batches(running, reporter):
                pass
            for future in running:
                if not isinstance(future.exception(), ImageError | httpx.TransportError | None):
                    future.result()
            if sender.sent:
                reporter.line(f"Sent layers of {sender.sent / 1e6:.1f} MB to {target} while others were made")
        finally:
            sender.over.set()
            pool.shutdown(wait=True, cancel_futures=True)
