"""Values of any shape in a pyproject.toml end as a definition or as reasons why not."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import read
from environments.definition.model import Selection

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["", "a", "lab[x]", "x; extra == 'y'", "\n--index-url x", "dev"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "url", "index", "marker", "include-group", "git", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "project.name", "project.dependencies", "project.dynamic", "project.requires-python",
        "project.optional-dependencies", "project.optional-dependencies.x", "dependency-groups", "dependency-groups.x",
        "tool.uv.sources", "tool.uv.sources.a", "tool.uv.index", "tool.uv.default-groups", "tool.uv.exclude-newer",
        "tool.uv.exclude-newer-package", "tool.uv.override-dependencies", "tool.uv.constraint-dependencies",
        "tool.uv.environments", "tool.uv.conflicts", "tool.uv.dev-dependencies", "tool.uv.no-build-package", "tool.pdm.source",
        "tool.pdm.dev-dependencies", "tool.pdm.resolution.overrides", "tool.uv", "tool", "project",
    ]
)  # fmt: skip


def toml_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(bool(value)).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace('"', "'").replace("\n", "\\n") + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml_text, value))}]"
    return "{" + ", ".join(f"{key} = {toml_text(inner)}" for key, inner in value.items()) + "}"


@given(st.lists(st.tuples(KEYS, VALUES), max_size=5), st.sampled_from(["", "x"]))
@settings(max_examples=150)
def test_no_shape_of_values_breaks_the_reader(pairs: list[tuple[str, Any]], part: str) -> None:
    text = "".join(f"{key} = {toml_text(value)}\n" for key, value in pairs)
    selection = Selection(extras=(part,), groups=(part,)) if part else None
    reading = read(text, "pyproject.toml", selection=selection)
    assert reading.accepted != bool(reading.errors)
