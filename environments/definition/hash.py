"""The hash of a definition (rules 1-7)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from environments.definition.syntax.dockerfile import canonical_dockerfile

if TYPE_CHECKING:
    from environments.definition.model import BuildContext, Definition

HASH_DIGITS = 32
# A change here is a new image for every environment there is: it is made knowingly, never by accident.
_SCHEME = "environment-definition/1"


def definition_hash(definition: Definition) -> str:
    """32 lower-case hex digits over what the image is made of, and over nothing else."""
    text = json.dumps(canonical_form(definition), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def content_key(definition: Definition) -> str:
    """A hash that does not see the order of channels, packages and Spark repositories (rule 6)."""
    form = canonical_form(definition)
    for layer in (form["python"], form["spark"]):
        for key, value in layer.items():
            if isinstance(value, list):
                layer[key] = sorted(value, key=json.dumps)
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]


def canonical_form(definition: Definition) -> dict[str, dict[str, object]]:
    """Return what rule 2 hashes, as plain values, without what rule 3 leaves out."""
    python, spark = definition.python, definition.spark
    return {
        "scheme": {"is": _SCHEME},
        "base": _base(definition),
        "python": {
            "channels": [_spaced(channel) for channel in python.channels],
            "conda": [_spaced(spec) for spec in python.conda],
            "pip": [_spaced(line) for line in python.pip],
            "user_managed": python.user_managed,
            # "python" is what everybody means who gives no path.
            "interpreter_path": "" if python.interpreter_path == "python" else python.interpreter_path,
            "base_conda_environment": python.base_conda_environment,
            **_given(package_indexes=python.package_indexes),
        },
        "spark": {
            "repositories": list(spark.repositories),
            "packages": [[package.group, package.artifact, package.version] for package in spark.packages],
            "precache": spark.precache if spark.packages else True,
        },
        "platform": {"is": definition.platform},
        **_given(other_platforms=_given(are=list(definition.other_platforms))),
        **_given(target=_given(**definition.target.model_dump())),
        **_given(cutoff=_given(**definition.cutoff.model_dump())),
    }


def _given(**values: Any) -> dict[str, Any]:
    """Only what is given: what a definition does not say leaves its hash as it was."""
    return {name: value for name, value in values.items() if value}


def _base(definition: Definition) -> dict[str, object]:
    if definition.context is not None:
        return {"context": _context(definition.context)}
    if definition.dockerfile is not None:
        return {"dockerfile": canonical_dockerfile(definition.dockerfile)}
    return {"image": definition.image}


def _context(context: BuildContext) -> dict[str, object]:
    files: list[list[object]] = []
    for file in sorted(context.files, key=lambda entry: entry.path):
        if file.link:
            files.append([file.path, "link", file.link])
            continue
        content = file.content
        if file.path == context.dockerfile_path:
            content = canonical_dockerfile(content.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape"
            )
        executable = bool(file.mode & 0o111)
        files.append([file.path, executable, hashlib.sha256(content).hexdigest()])
    empty = {"folders": sorted(context.folders)} if context.folders else {}
    return {
        "files": files,
        **empty,
        "dockerfile_path": context.dockerfile_path,
        "args": context.args,
        "target": context.target,
    }


def _spaced(text: str) -> str:
    return " ".join(text.split())
