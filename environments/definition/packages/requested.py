"""The packages that a definition requests, and the frameworks that they make of it, as searches read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from environments.definition.packages.specs import BadSpec, conda_spec, pip_name, pip_spec

LONGEST_NAME = 200
LONGEST_CONSTRAINT = 400

# By the package that makes an environment one of this framework; a tag `framework=…` names others.
FRAMEWORKS = {
    "torch": "pytorch",
    "pytorch": "pytorch",
    "pytorch-cpu": "pytorch",
    "pytorch-gpu": "pytorch",
    "lightning": "pytorch",
    "tensorflow": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "keras": "keras",
    "jax": "jax",
    "transformers": "transformers",
    "scikit-learn": "scikit-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "spacy": "spacy",
    "onnxruntime": "onnx",
    "onnx": "onnx",
    "mlflow": "mlflow",
    "dask": "dask",
    "polars": "polars",
    "pyspark": "spark",
    "jupyterlab": "jupyter",
    "notebook": "jupyter",
}


@dataclass(frozen=True, slots=True)
class RequestedSpec:
    """A requested package by its normalised name; `exact` is its pinned version, if it has one."""

    name: str
    ecosystem: str  # pypi or conda
    exact: str = ""
    constraint: str = ""


def requested_packages(pip: Iterable[str], conda: Iterable[str]) -> list[RequestedSpec]:
    """Return the packages that these lines request, each once; lines that name no package are left out."""
    specs = [(pip_spec, line, "pypi") for line in pip] + [(conda_spec, line, "conda") for line in conda]
    requested: dict[RequestedSpec, None] = {}
    for parse, line, ecosystem in specs:
        try:
            spec = parse(line)
        except BadSpec:
            continue
        if spec is not None and spec.name:
            name = pip_name(spec.name)[:LONGEST_NAME]
            constraint = spec.constraint.partition(";")[0].strip()[:LONGEST_CONSTRAINT]
            requested[RequestedSpec(name, ecosystem, spec.exact[:LONGEST_NAME], constraint)] = None
    return list(requested)


def frameworks_of(names: Iterable[str], tags: Mapping[str, str]) -> list[str]:
    """Return the frameworks of an environment: of its tag `framework`, and of the packages that it requests."""
    named = [value for name, value in tags.items() if name.lower() == "framework" and value]
    by_package = [FRAMEWORKS[name] for name in names if name in FRAMEWORKS]
    return list(dict.fromkeys(framework.lower() for framework in (*named, *by_package)))


def as_lines(items: Iterable[str]) -> str:
    """Return items as lines between line ends, so that a whole item is searched with the line ends around it."""
    lines = "\n".join(" ".join(item.split("\n")) for item in items)
    return f"\n{lines}\n".lower() if lines else ""
