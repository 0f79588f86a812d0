"""A folder of the public assets catalogue: asset.yaml, spec.yaml, environment.yaml and context/."""

from __future__ import annotations

from environments.definition.findings.result import Draft
from environments.definition.formats import context, trees
from environments.definition.formats.azure import v2
from environments.definition.formats.shapes import mapping_of, strings_of, text_of
from environments.definition.formats.source import Source
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Tree, parse_yaml

FORMAT = "curated"
_TEMPLATE = "{{"


def is_asset(tree: Mapping) -> bool:
    """Whether this mapping is the asset.yaml of an environment."""
    kind = tree.get("type")
    return isinstance(kind, Scalar) and kind.text == "environment" and "spec" in tree.entries


def is_image_config(tree: Mapping) -> bool:
    """Whether this mapping is the environment.yaml that says how the image is built."""
    return isinstance(tree.get("image"), Mapping)


def is_templated_spec(tree: Mapping) -> bool:
    """Whether this mapping is a spec.yaml whose build context only the other files of its folder know."""
    build = tree.get("build")
    return isinstance(build, Mapping) and _templated(build)


def read(draft: Draft, source: Source, start: Placed) -> None:
    """Read the folder that `start`, one of its files, lies in."""
    asset = _part(draft, source, "asset.yaml", start, needed=False)
    named = text_of(draft, asset.get("spec"), "spec") or start.moved("spec.yaml")
    spec = _part(draft, source, named, start, needed=bool(asset.entries))
    extra = text_of(draft, asset.get("extra_config"), "extra_config") or start.moved("environment.yaml")
    config = _part(draft, source, extra, start, needed=False)
    _describe(draft, asset, spec)
    image = config.get("image")
    build = mapping_of(draft, image.get("context"), "image.context") if isinstance(image, Mapping) else None
    spec_build = spec.get("build")
    # A spec that names an image means that image; how it was made is another matter.
    made_here = _templated(spec_build) and spec.get("image") is None
    if build is not None and build.get("dir") is not None and made_here:
        folder = text_of(draft, build.get("dir"), "image.context.dir") or Placed("context")
        dockerfile = text_of(draft, build.get("dockerfile"), "image.context.dockerfile") or Placed(
            "Dockerfile"
        )
        path = source.resolve(draft, folder)
        if path is not None:
            context.read(draft, source, path, dockerfile)
        _rest_of_spec(draft, spec, source)
    elif spec.entries:
        v2.read(draft, spec, source)
    elif build is not None:
        folder = text_of(draft, build.get("dir"), "image.context.dir") or Placed(
            "context", build.line, build.column
        )
        dockerfile = text_of(draft, build.get("dockerfile"), "image.context.dockerfile") or Placed(
            "Dockerfile"
        )
        path = source.resolve(draft, folder)
        if path is not None:
            context.read(draft, source, path, dockerfile)
    else:
        draft.note("base-missing", start)
    _fill_names(draft, asset)


def _templated(build: Tree | None) -> bool:
    """Whether `build.path` is the catalogue's placeholder for the context, or is not given."""
    if not isinstance(build, Mapping):
        return build is None
    path = build.get("path")
    return path is None or (isinstance(path, Scalar) and _TEMPLATE in path.text)


def _part(draft: Draft, source: Source, path: str, start: Placed, *, needed: bool) -> Mapping:
    location = source.resolve(draft, start.moved(path))
    content = None if location is None else source.folder.read(location, source.limits.definition)
    if content is None or location is None:
        if needed:
            draft.note("file-missing", start, what=path)
        return Mapping(line=1, column=1)
    text = source.text(draft, location, start.moved(path)) or ""
    outer, draft.file = draft.file, location
    try:
        return mapping_of(draft, trees.document(draft, text, location, parse_yaml), path)
    finally:
        draft.file = outer


def _describe(draft: Draft, asset: Mapping, spec: Mapping) -> None:
    for mapping in (spec, asset):
        name = text_of(draft, mapping.get("name"), "name")
        version = text_of(draft, mapping.get("version"), "version")
        if name and _TEMPLATE not in name:
            draft.name = str(name)
        if version and _TEMPLATE not in version and version != "auto":
            draft.version = str(version)
    draft.description = str(text_of(draft, spec.get("description"), "description") or "")
    draft.tags = {k: str(v) for k, v in strings_of(draft, spec.get("tags"), "tags").items()}


def _rest_of_spec(draft: Draft, spec: Mapping, source: Source) -> None:
    """Read the rest of the spec: a conda file, routes."""
    rest = Mapping(line=spec.line, column=spec.column)
    for name, value in spec.entries.items():
        if name not in ("build", "name", "version", "description", "tags"):
            rest.put(spec.keys[name], value)
    v2.read_without_base(draft, rest, source)


def _fill_names(draft: Draft, asset: Mapping) -> None:
    if _TEMPLATE in draft.name:
        draft.name = str(text_of(draft, asset.get("name"), "name") or "")
    if _TEMPLATE in draft.version:
        draft.version = ""
