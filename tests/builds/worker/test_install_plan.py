"""The install plan: conda is left out if the base has everything that is requested from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builds.imaging.bases.probe import Probe
from builds.imaging.reporting import ImageError
from builds.worker.install_plan import install_plan, plan_for_base
from environments.definition import Definition
from environments.definition.model import PythonLayer
from tests.builds.imaging.making import empty_base


def definition(*conda: str, pip: tuple[str, ...] = (), user_managed: bool = False) -> Definition:
    return Definition(image="host", python=PythonLayer(conda=conda, pip=pip, user_managed=user_managed))


@pytest.mark.parametrize(
    ("conda", "pip"),
    [
        (("python=3.12",), ()),
        (("python=3.12", "pip"), ("pip",)),
        (("python>=3.10,<3.13", "pip=24.0"), ("pip==24.0.*",)),
        (("conda-forge::python", "pip>=24", "setuptools"), ("pip>=24", "setuptools")),
    ],
)
def test_the_bases_own_python_is_used_where_it_fits(conda: tuple[str, ...], pip: tuple[str, ...]) -> None:
    plan = install_plan(definition(*conda, pip=("numpy==2.1.3",)), "3.12.11")

    assert (plan.conda, plan.pip) == ((), (*pip, "numpy==2.1.3"))


@pytest.mark.parametrize(
    ("conda", "base"),
    [
        (("python=3.11",), "3.12.11"),
        (("python=3.12",), ""),
        (("pip",), ""),
        (("python=3.12", "numpy"), "3.12.11"),
        (("python=3.12=*_cpython",), "3.12.11"),
    ],
)
def test_conda_is_needed_for_anything_else(conda: tuple[str, ...], base: str) -> None:
    assert install_plan(definition(*conda), base).conda == conda


def test_nothing_is_installed_into_a_user_managed_image() -> None:
    """Rule 23."""
    assert install_plan(definition("python=3.12", pip=("x",), user_managed=True), "3.12.11").empty


def test_a_spec_that_conda_cannot_read_is_refused_by_name() -> None:
    with pytest.raises(ImageError, match="numpy==="):
        install_plan(definition("numpy===>>1"), "3.12.11")


def test_a_base_whose_python_the_environment_would_replace_is_refused() -> None:
    """As in an image of this studio that conda made."""
    probe = Probe(python="/opt/env/bin/python3.12", version="3.12.11", libc="glibc", libc_version="2.36")
    base = replace(empty_base(), probe=probe)

    assert plan_for_base(base, definition("python=3.12", pip=("x",))).conda == ("python=3.12",)
    with pytest.raises(ImageError, match="part of an environment") as refused:
        plan_for_base(base, definition(pip=("x",)))
    assert refused.value.code == "base-unfit"
