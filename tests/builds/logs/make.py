"""Make the logs that tests replay, for real: `python -m tests.builds.logs.make` (as root, on Debian).

It builds one Dockerfile with a Docker Engine, twice, so that the second time its first steps come from the
engine's cache: `classic.log` is what the classic builder prints, `buildkit.jsonl.gz` what BuildKit sends to a client.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from builds.engine import connection
from builds.engine.connection import Engine
from builds.engine.output import Output, output_of
from builds.engine.syntax import BUILDKIT
from builds.imaging.bases.find import find_base
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.services.servers.docker_engine import DockerEngine

HERE = Path(__file__).parent
NAMES = "tqdm rich requests jinja2 sphinx jupyterlab"
DOCKERFILE = f"""\
FROM {{base}}
ENV PYTHONDONTWRITEBYTECODE=1
RUN mkdir -p /opt/wheels /work
COPY wheels /opt/wheels
WORKDIR /work
COPY notes.txt /work/
RUN python /opt/wheels/pip.whl/pip install -vv --no-cache-dir --no-index --find-links /opt/wheels --target /work/site {NAMES}
RUN PYTHONPATH=/work/site python -c "import time, tqdm; [time.sleep(0.02) for _ in tqdm.tqdm(range(150))]"
RUN PYTHONPATH=/work/site FORCE_COLOR=1 python -m rich.color ; cat /work/notes.txt
"""


def main() -> None:
    """Write the logs beside this file."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        root = Path(name)
        engine = DockerEngine(root / "engine", root / "undo")
        engine.folder.mkdir(parents=True, exist_ok=True)
        engine.start()
        try:
            make(engine, root)
        finally:
            engine.stop()
            for line in reversed((root / "undo").read_text().splitlines()):
                subprocess.run(json.loads(line), check=False)


def make(engine: DockerEngine, root: Path) -> None:
    """Build with both builders."""
    context, workshop = root / "context", Workshop(store=BlobStore(root / "store"), cache=root / "cache")
    download(context / "wheels")
    with Engine.at(engine.host) as reached:
        base = reached.give(find_base("host", workshop, Quiet()), workshop.store, Quiet())
        context.joinpath("Dockerfile").write_text(DOCKERFILE.format(base=base))
        HERE.joinpath("classic.log").write_bytes(classic(engine, context))
        events = by_buildkit(reached, context)
    text = "".join(f"{json.dumps(event)}\n" for event in events)
    HERE.joinpath("buildkit.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def download(wheels: Path) -> None:
    wheels.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", str(wheels)]
    subprocess.run([*command, *NAMES.split(), "pip"], check=True)
    next(wheels.glob("pip-*")).rename(wheels / "pip.whl")


def classic(engine: DockerEngine, context: Path) -> bytes:
    environment = {**os.environ, "DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "0"}
    output = b""
    for note in ("first", "second"):
        context.joinpath("notes.txt").write_text(f"{note}\n")
        command = ["docker", "build", "--no-cache"] if note == "first" else ["docker", "build"]
        done = subprocess.run([*command, str(context)], env=environment, capture_output=True, check=True)
        output = done.stdout
    return output


def by_buildkit(engine: Engine, context: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []

    def record(event: dict[str, Any], output: Output) -> Any:
        events.append(event)
        return output_of(event, output)

    setattr(connection, "output_of", record)  # noqa: B010
    packed = context.with_suffix(".tar")
    with tarfile.open(packed, "w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(context, ".")
    engine.build(
        *(packed.read_bytes(), "Dockerfile", BUILDKIT, Output(), Quiet()),
        arguments={},
        target="",
        network="default",
    )
    return events


if __name__ == "__main__":
    main()
