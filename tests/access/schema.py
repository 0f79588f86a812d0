"""The API's schema in tests that request every address as everybody."""

from __future__ import annotations

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer


@pytest.fixture
def schema_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the API's schema, and write it as YAML, for the first of all requests: it takes seconds, and is the same."""
    generate, write = SchemaGenerator.get_schema, OpenApiYamlRenderer.render
    schemas: dict[bool, object] = {}
    written: dict[int, object] = {}

    def generated(self: SchemaGenerator, request: object = None, public: bool = False) -> object:
        if public not in schemas:
            schemas[public] = generate(self, request, public)  # type: ignore[no-untyped-call]
        return schemas[public]

    def as_yaml(self: OpenApiYamlRenderer, data: object, *args: object, **kwargs: object) -> object:
        if not any(data is schema for schema in schemas.values()):
            return write(self, data, *args, **kwargs)  # type: ignore[no-untyped-call]
        if id(data) not in written:
            written[id(data)] = write(self, data, *args, **kwargs)  # type: ignore[no-untyped-call]
        return written[id(data)]

    monkeypatch.setattr(SchemaGenerator, "get_schema", generated)
    monkeypatch.setattr(OpenApiYamlRenderer, "render", as_yaml)
