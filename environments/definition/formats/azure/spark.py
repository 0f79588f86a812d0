"""The Spark layer, which v1 JSON has and our v2 YAML keeps."""

from __future__ import annotations

from environments.definition.findings.result import Draft
from environments.definition.formats.conda.environment_file import quoted
from environments.definition.formats.shapes import list_of, mapping_of, text_of, texts_of, truth_of
from environments.definition.model import SparkLayer, SparkPackage
from environments.definition.syntax.tree import Tree


def read(draft: Draft, node: Tree | None) -> SparkLayer:
    """The Spark layer that this mapping describes."""
    mapping = mapping_of(draft, node, "spark")
    packages = []
    listed = list_of(draft, mapping.get("packages"), "spark.packages")
    for item in listed:
        part = mapping_of(draft, item, "each of spark.packages")
        coordinate = {
            name: str(text_of(draft, part.get(name), f"spark.packages.{name}") or "")
            for name in ("group", "artifact", "version")
        }
        packages.append(SparkPackage(**coordinate))
    if packages:
        names = [":".join((package.group, package.artifact, package.version)) for package in packages]
        more = f" and {len(names) - 3} more Spark packages" if len(names) > 3 else ""
        draft.note("spark-not-installed", listed[0], what=f"{', '.join(names[:3])}{more}")
    precache = truth_of(draft, mapping.get("precachePackages", "precache"), "spark.precachePackages")
    repositories = texts_of(draft, mapping.get("repositories"), "spark.repositories")
    return SparkLayer(
        repositories=tuple(map(str, repositories)),
        packages=tuple(packages),
        precache=precache is not False,
    )


def write_yaml(spark: SparkLayer) -> str:
    """The lines `spark:` of a v2 YAML; nothing where there is no Spark layer."""
    if spark == SparkLayer():
        return ""
    text = "spark:\n"
    if spark.repositories:
        text += "  repositories:\n" + "".join(
            f"    - {quoted(repository)}\n" for repository in spark.repositories
        )
    if spark.packages:
        text += "  packages:\n"
        for package in spark.packages:
            text += f"    - group: {quoted(package.group)}\n      artifact: {quoted(package.artifact)}\n"
            text += f"      version: {quoted(package.version)}\n"
    return text + ("" if spark.precache else "  precache: false\n")
