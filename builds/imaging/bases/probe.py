"""The properties of a base image: its Python, its C library, its architecture, its CUDA."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Libc = Literal["glibc", "musl", "none"]


class Probe(BaseModel):
    """The platform that packages must fit. `python` is the interpreter's path, empty where there is none."""

    model_config = ConfigDict(frozen=True)

    python: str = ""
    version: str = ""
    libc: Libc = "none"
    libc_version: str = ""
    architecture: str = "amd64"
    cuda: str = ""
    """The CUDA that the image is made for, such as "12.4"; empty where it shows none."""
    cuda_from: str = ""
    """The variable or file that shows it."""

    @property
    def minor(self) -> tuple[int, int]:
        """Return major and minor version of the Python."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    @property
    def machine(self) -> str:
        """Return the architecture as wheels call it."""
        return {"amd64": "x86_64", "arm64": "aarch64"}.get(self.architecture, self.architecture)

    @property
    def platform(self) -> str:
        """Return the newest platform tag of wheels that run here, such as "manylinux_2_36_x86_64"."""
        family = {"glibc": "manylinux", "musl": "musllinux", "none": "linux"}[self.libc]
        version = "_".join(self.libc_version.split(".")[:2])
        return f"{family}_{version}_{self.machine}" if version else f"{family}_{self.machine}"
