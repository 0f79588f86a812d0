"""Recipes of `build_local`: two scripts that the client runs on its user's machine.

They pull the image that the studio builds, and give it a local name. Nothing of a definition is in them: all that
varies is the name of an image, and is quoted.
"""

import base64
import io
import shlex
import zipfile
from typing import Any

from django.conf import settings

from environments.errors import ServiceError
from environments.models import Version

_FOLDER = "environment-studio"
CHECK, BUILD = f"{_FOLDER}/check.sh", f"{_FOLDER}/build.sh"
_PACKED_AT = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same scripts

_CHECK = """#!/bin/sh
# Does this machine have the image already?
exec docker image inspect {local} > /dev/null 2>&1
"""
_BUILD = """#!/bin/sh
# Pull the image from the studio, which builds it first if need be.
docker pull {image} || {{
    echo {advice} >&2
    exit 1
}}
exec docker tag {image} {local}
"""


def recipe(version: Version, host: str, image: str, *, platform: str) -> dict[str, Any]:
    """Return the recipe for a version: `image` is what to pull, of the registry at `host`.

    Raises ServiceError for machines that run no shell.
    """
    if platform.lower() == "windows":
        raise ServiceError(
            "windows-unsupported",
            "build_local isn't supported on Windows.",
            f"Pull the image instead: docker pull {image}",
        )
    local = shlex.quote(local_name(version))
    advice = f"Can't pull the image. Sign in with an access token, then try again: docker login {host}"
    build = _BUILD.format(image=shlex.quote(image), local=local, advice=shlex.quote(advice))
    return {
        "setupContentZip": base64.b64encode(
            _packed({CHECK: _CHECK.format(local=local), BUILD: build})
        ).decode(),
        "checkEnvironmentScriptName": CHECK,
        "buildEnvironmentScriptName": BUILD,
        # A definition's variables are for its image: on the machine itself they could name a program to run.
        "environmentVariables": {},
    }


def local_name(version: Version) -> str:
    """Return the local name of a version's image, the same for the same content (rule 9)."""
    return f"{settings.IMAGE_PREFIX}{version.hash}:latest"


def _packed(scripts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in scripts.items():
            entry = zipfile.ZipInfo(path, _PACKED_AT)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
    return buffer.getvalue()
