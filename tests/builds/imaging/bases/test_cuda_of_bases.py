"""The CUDA of a base image, by its variables and the files in its layers."""

from __future__ import annotations

import pytest

from builds.imaging.bases.find import find_base
from builds.imaging.workshop import Workshop
from tests.builds.imaging.bases.test_bases import DEBIAN, LINK, Files, known, probe, served, tarred
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.serving import TokenRegistry

NVIDIA = [
    "CUDA_VERSION=12.4.1",
    "NV_CUDA_CUDART_VERSION=12.4.127-1",
    "NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand=tesla",
]


@pytest.mark.parametrize(
    ("variables", "files", "shown"),
    [
        ([], {}, ("", "")),
        (NVIDIA, {"usr/local/cuda-11.8/version.json": b""}, ("12.4", "CUDA_VERSION")),
        (NVIDIA[1:], {}, ("12.4", "NV_CUDA_CUDART_VERSION")),
        (NVIDIA[2:], {}, ("12.4", "NVIDIA_REQUIRE_CUDA")),
        (["NV_CUDA_LIB_VERSION=11.8.0-1"], {}, ("11.8", "NV_CUDA_LIB_VERSION")),
        (["CUDA_VERSION=cpu", "NVIDIA_REQUIRE_CUDA=brand=tesla"], {}, ("", "")),
        (["CUDA_VERSION", "CUDA_VERSION=", "NVIDIA_REQUIRE_CUDA=cuda>=" + "1" * 100_000], {}, ("", "")),
        ([], {"usr/local/cuda-12.4/lib64/libcudart.so.12": b""}, ("12.4", "/usr/local/cuda-12.4")),
        (
            [],
            {
                "usr/lib/x86_64-linux-gnu/libcudart.so.11.0": LINK + "libcudart.so.11.8.89",
                "usr/lib/x86_64-linux-gnu/libcudart.so.11.8.89": b"",
            },
            ("11.8", "libcudart.so.11.8.89"),
        ),
        ([], {"opt/lib/libcudart.so.12": b""}, ("12", "libcudart.so.12")),
        (
            [],
            {"opt/lib/python3.12/site-packages/nvidia_cuda_runtime_cu12-12.6.77.dist-info/METADATA": b""},
            ("12.6", "nvidia_cuda_runtime_cu12-12.6.77.dist-info"),
        ),
        (
            [],
            {"opt/conda/conda-meta/cuda-cudart-12.4.127-he02047a_2.json": b"{}"},
            ("12.4", "cuda-cudart-12.4.127-he02047a_2.json"),
        ),
        ([], {"srv/cuda-12.4": b"", "usr/local/cuda-samples/x": b"", "home/libcudart.so.txt": b""}, ("", "")),
    ],
)
def test_the_cuda_of_a_base_is_read_from_its_variables_else_from_its_files(
    workshop: Workshop, variables: list[str], files: Files, shown: tuple[str, str]
) -> None:
    result = probe(workshop, tarred({**DEBIAN, **files}), config={"Env": variables})

    assert (result.cuda, result.cuda_from) == shown


def test_a_cuda_that_a_later_layer_removes_is_not_shown(workshop: Workshop) -> None:
    both = tarred({"usr/local/cuda-11.8/lib/x": b"", "usr/local/cuda-12.4/lib/x": b""})
    newer_gone = tarred({"usr/local/.wh.cuda-12.4": b""})
    all_gone = tarred({"usr/local/.wh..wh..opq": b""})

    assert probe(workshop, both).cuda == "12.4"
    assert probe(workshop, both, newer_gone).cuda == "11.8"
    assert probe(workshop, both, all_gone).cuda == ""


def test_the_log_names_the_cuda_of_a_base_and_where_it_is_from(
    workshop: Workshop, reporter: Recorder
) -> None:
    registry = TokenRegistry(served(env=tuple(NVIDIA)), "ann", "s3cret")
    with registry.server.running():
        base = find_base(f"{registry.server.address}/team/base:1", known(workshop, registry), reporter)

    assert base.probe.cuda == "12.4"
    assert reporter.lines[-1].endswith(
        "Python 3.11.2 at /usr/bin/python3.11, glibc 2.36, CUDA 12.4 (CUDA_VERSION)"
    )
