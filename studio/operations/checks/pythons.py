"""Check which versions of Python this machine can compile bytecode for."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from builds.engine.wheels.build import engine_answers
from builds.imaging.bytecode.interpreters import NEWEST, OLDEST
from builds.imaging.bytecode.providers import expected_provider
from builds.imaging.oci.store import BlobStore
from builds.imaging.workshop import Workshop
from builds.worker.steps import managed_pythons
from studio.operations.finding import Finding, ok, warning

_PROVIDERS = {
    "machine": "{} with Pythons of this machine",
    "uv": "{} with Pythons that uv installs when they are first needed",
    "base": "{} with the base image's own Python, in a container",
}


def pythons() -> Iterator[Finding]:
    """Say for which minor versions bytecode can be compiled here, and with whose Python."""
    engine = engine_answers()
    versions: dict[str | None, list[str]] = {}
    # A check leaves nothing behind: no store where there was none.
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = BlobStore(folder / "store")
        workshop = Workshop(store=store, cache=folder / "cache", managed_pythons=managed_pythons())
        for minor in range(OLDEST[1], NEWEST[1] + 1):
            provider = expected_provider((3, minor), workshop, engine=engine)
            versions.setdefault(provider, []).append(f"3.{minor}")
    known = [text.format(", ".join(versions[name])) for name, text in _PROVIDERS.items() if name in versions]
    if known:
        yield ok("pythons", f"Bytecode is compiled for {'; '.join(known)}.")
    if None in versions:
        yield warning(
            "pythons",
            f"Images with Python {', '.join(versions[None])} get no bytecode: their imports take longer.",
            "Install these versions where workers run, start Docker, or let uv reach STUDIO_PYTHON_MIRROR.",
        )
