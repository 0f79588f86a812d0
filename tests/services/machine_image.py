"""An image made of this machine's own programs, for where no registry can be reached."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Sequence

import docker


def import_machine_image(
    client: docker.DockerClient, name: str, programs: Sequence[str] = ("/bin/sh", "/bin/cat")
) -> str:
    """Import an image with these programs of this machine and the libraries they need; return its id."""
    answer = client.api.import_image_from_data(machine_files(programs), repository=name)
    return str(json.loads(answer.strip().splitlines()[-1])["status"])


def machine_files(programs: Sequence[str]) -> bytes:
    """Return a tar archive of the programs, the libraries they link, and an empty /tmp."""
    files = set(programs)
    for program in programs:
        # A statically linked program has no libraries to list: then ldd says so and fails.
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        files |= {word for word in listed.split() if word.startswith("/")}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
        for path in sorted(files):
            archive.add(path)
    return buffer.getvalue()
