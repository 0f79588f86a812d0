"""Settings of the API's framework, and of its documentation."""

from __future__ import annotations

from typing import Any

from studio.configuration import BYTECODES, COMPRESSIONS, IMPORT_TESTS


def rest_framework(user_rate: str, anonymous_rate: str) -> dict[str, Any]:
    """Return the settings of the framework, with the requests that a user and that others may send (`60/min`)."""
    return {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "studio.api.http.authentication.TokenAuthentication",
            "rest_framework.authentication.SessionAuthentication",
        ],
        "DEFAULT_PERMISSION_CLASSES": ["studio.api.http.authentication.MaySend"],
        "DEFAULT_PARSER_CLASSES": [
            "studio.api.http.parsing.BoundedJSONParser",
            "rest_framework.parsers.MultiPartParser",
        ],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "DEFAULT_THROTTLE_CLASSES": [
            "rest_framework.throttling.UserRateThrottle",
            "rest_framework.throttling.AnonRateThrottle",
        ],
        "DEFAULT_THROTTLE_RATES": {
            "user": user_rate,
            "anon": anonymous_rate,
        },
        "EXCEPTION_HANDLER": "studio.api.http.answers.answer_to",
        "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    }


def documentation() -> dict[str, Any]:
    """Return the settings of the documentation of the API."""
    return {
        "TITLE": "Environment studio",
        "DESCRIPTION": "Define, build and share machine-learning environments. Sign in with an access token.",
        "VERSION": "1",
        "SERVE_INCLUDE_SCHEMA": False,
        "SCHEMA_PATH_PREFIX": "/api/v1",
        "COMPONENT_SPLIT_REQUEST": True,
        "ENUM_NAME_OVERRIDES": {
            "Compression": list(COMPRESSIONS),
            "CompiledModules": list(BYTECODES),
            "ImportTestChoice": list(IMPORT_TESTS),
            "AdvisorySeverity": ["unknown", "low", "medium", "high", "critical"],
            "FindingSeverity": ["error", "warning", "note"],
            "HealState": [
                "waiting",
                "planning",
                "planned",
                "building",
                "testing",
                "ready",
                "healed",
                "proposed",
                "current",
                "refused",
                "failed",
            ],
            "BuildState": ["queued", "running", "succeeded", "failed", "cancelled"],
            "StepState": ["running", "succeeded", "failed", "stopped"],
            "UseKind": ["run", "model", "deployment"],
            "NoticeKind": [
                "build-failed",
                "build-succeeded",
                "deprecation",
                "drift",
                "heal",
                "proposal",
                "rebase",
                "share",
            ],
            "PolicyRuleName": [
                *("vulnerability", "licence", "cool-down", "source", "origin", "base-age", "import-test"),
            ],
            "PolicyLevel": ["off", "warn", "block"],
            "PolicyEffect": ["warn", "block"],
            "ExceptionKind": ["package", "advisory", "environment"],
            "DecisionState": ["accepted", "not_affected", "pending"],
            "TokenScope": ["pull", "read", "write"],
            "DecisionScope": ["environment", "version", "studio"],
            "ShareState": ["waiting", "accepted", "declined", "withdrawn"],
        },
        # The docs load nothing from elsewhere, and run no inline script.
        "SWAGGER_UI_DIST": "SIDECAR",
        "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    }
