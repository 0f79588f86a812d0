"""The bodies that SDK v2 sends: the `properties` of an environment's version, or of the environment."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.request import Request

from environments.errors import ServiceError
from studio.api.shapes.bodies import NoNul, Tags
from studio.azure.protocol import body_of

DOCKERFILE = "Dockerfile"


class OptionalTags(Tags):
    """Tags or properties; null is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)


class BuildIn(s.Serializer[Any]):
    """A build context."""

    contextUri = NoNul(max_length=2_000)
    dockerfilePath = NoNul(max_length=1_000, required=False, allow_null=True, allow_blank=True)


class RouteIn(s.Serializer[Any]):
    """A route of a container that answers inference."""

    port = s.IntegerField(min_value=0, max_value=65_535)
    path = NoNul(max_length=1_000, allow_blank=True)


class InferenceIn(s.Serializer[Any]):
    """The routes of a container that answers inference."""

    livenessRoute = RouteIn(required=False, allow_null=True)
    readinessRoute = RouteIn(required=False, allow_null=True)
    scoringRoute = RouteIn(required=False, allow_null=True)


class VersionIn(s.Serializer[Any]):
    """A version. What is left out is not changed."""

    image = NoNul(max_length=1_000, required=False, allow_null=True, allow_blank=True)
    condaFile = NoNul(max_length=2_000_000, required=False, allow_null=True, allow_blank=True)
    build = BuildIn(required=False, allow_null=True)
    osType = s.CharField(required=False, allow_null=True, max_length=20)
    inferenceConfig = InferenceIn(required=False, allow_null=True)
    description = NoNul(max_length=5_000, required=False, allow_null=True, allow_blank=True)
    tags = OptionalTags()
    properties = OptionalTags()
    isArchived = s.BooleanField(required=False, allow_null=True, default=None)
    isAnonymous = s.BooleanField(required=False, allow_null=True, default=None)

    def validate_osType(self, value: str | None) -> str | None:
        """Take the two that there are."""
        if value is not None and value.lower() not in ("linux", "windows"):
            raise s.ValidationError("An environment is for Linux or Windows.")
        return value


class EnvironmentIn(s.Serializer[Any]):
    """An environment: whether it is archived. Descriptions and tags belong to versions."""

    description = NoNul(max_length=5_000, required=False, allow_null=True, allow_blank=True)
    tags = OptionalTags()
    properties = OptionalTags()
    isArchived = s.BooleanField(required=False, allow_null=True, default=None)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Accept no description and no tags."""
        if any(given.get(name) for name in ("description", "tags", "properties")):
            raise ServiceError(
                "only-versions",
                "An environment has no description, tags or properties here.",
                "Set the description and tags of a version.",
            )
        return given


def sent(request: Request, shape: type[s.Serializer[Any]]) -> dict[str, Any]:
    """Return the checked `properties` of a body."""
    body = shape(data=body_of(request).get("properties"))
    body.is_valid(raise_exception=True)
    fields: dict[str, Any] = body.validated_data
    return fields


def content(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the immutable part of a version's properties, with defaults filled in: equal means the same content."""
    build = properties.get("build")
    routes = properties.get("inferenceConfig") or {}
    return {
        "image": properties.get("image") or None,
        "condaFile": properties.get("condaFile") or None,
        "build": build and (build["contextUri"], build.get("dockerfilePath") or DOCKERFILE),
        "osType": (properties.get("osType") or "Linux").lower(),
        "routes": {name: (route["port"], route["path"]) for name, route in routes.items() if route},
        "properties": properties.get("properties") or {},
    }
