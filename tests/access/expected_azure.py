"""The part of the access table that the Azure ML SDKs call."""

from __future__ import annotations

from tests.access.levels import ANYBODY, CONTRIBUTOR, DEFINE, NOBODY, READ, READER, SIGNED, SIGNED_IN, Methods

AZURE_SUBSCRIPTION = r"subscriptions/(?P<subscription>[^/\0]+)"
AZURE_GROUP = rf"{AZURE_SUBSCRIPTION}/resourceGroups/(?P<group>[^/\0]+)"
AZURE_WORKSPACES = r"providers/Microsoft\.MachineLearningServices/workspaces"
AZURE_W = rf"{AZURE_GROUP}/{AZURE_WORKSPACES}/(?P<workspace>[^/\0]+)"
AZURE_ENVIRONMENT = rf"^{AZURE_W}/environments/(?P<name>[^/\0]+)"
AZURE_VERSION = rf"{AZURE_ENVIRONMENT}/versions/(?P<version>[^/\0]+)"
AZURE_REGISTRY = (
    rf"^mferp/managementfrontend/{AZURE_GROUP}/providers/Microsoft\.MachineLearningServices"
    r"/registries/(?P<registry>[^/\0]+)"
)
AZURE_REGISTRY_ENVIRONMENT = rf"{AZURE_REGISTRY}/environments/(?P<name>[^/\0]+)$"
AZURE_REGISTRY_VERSION = rf"{AZURE_REGISTRY}/environments/(?P<name>[^/\0]+)/versions/(?P<version>[^/\0]+)$"
AZURE_IMPORT = f"{AZURE_REGISTRY}/import$"
SDK1_W = rf"^environment/v1\.0/{AZURE_W}"
SDK1_ENVIRONMENT = rf"{SDK1_W}/environments/(?P<name>[^/\0]+)"
SDK1_VERSION = rf"{SDK1_ENVIRONMENT}/versions/(?P<version>[^/\0]+)"
SDK1_BUILD_W = rf"^environment/v2\.0/{AZURE_W}"
SDK1_BUILD_ENVIRONMENT = rf"{SDK1_BUILD_W}/environments/(?P<name>[^/\0]+)"
SDK1_BUILD_VERSION = rf"{SDK1_BUILD_ENVIRONMENT}/versions/(?P<version>[^/\0]+)"
AZURE_NOWHERE = r"^subscriptions/(?P<path>[\s\S]*)$"
AZURE_PUBLIC: dict[str, Methods] = {
    "<word:tenant>/v2.0/.well-known/openid-configuration": {"GET": ANYBODY},
    "<word:tenant>/.well-known/openid-configuration": {"GET": ANYBODY},
    "<word:tenant>/oauth2/v2.0/token": {"POST": ANYBODY},
    "<word:tenant>/discovery/v2.0/keys": {"GET": ANYBODY},
    "metadata/endpoints": {"GET": ANYBODY},
    "discovery": {"GET": ANYBODY},
    **{
        rf"^blobstore/{account}(?P<container>azureml-blobstore-[0-9a-f-]{{36}})/(?P<name>[\s\S]*)$": dict.fromkeys(
            ("GET", "POST", "PUT", "PATCH", "DELETE"), SIGNED
        )
        for account in (r"(?P<account>[^/\0]+\.blob\.[^/\0]+)/", "")
    },
    r"^mferp/(?P<path>[\s\S]*)$": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), NOBODY),
    "^azureml$": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), SIGNED),
    r"^azureml/DockerBuildContext/(?P<name>[\s\S]*)$": dict.fromkeys(
        ("GET", "POST", "PUT", "PATCH", "DELETE"), SIGNED
    ),
    AZURE_NOWHERE: dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), NOBODY),
    r"^environment/(?P<path>[\s\S]*)$": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), NOBODY),
    # Without its signature; tests/studio/azure/v1/test_builds.py sends it.
    rf"{SDK1_BUILD_W}/builds/(?P<build>[0-9a-fA-F-]{{36}})/log$": {"GET": NOBODY},
}
AZURE: dict[str, Methods] = AZURE_PUBLIC | {
    "^subscriptions$": {"GET": SIGNED_IN},
    f"^{AZURE_SUBSCRIPTION}$": {"GET": SIGNED_IN},
    f"^{AZURE_SUBSCRIPTION}/{AZURE_WORKSPACES}$": {"GET": SIGNED_IN},
    f"^{AZURE_GROUP}/{AZURE_WORKSPACES}$": {"GET": SIGNED_IN},
    f"^{AZURE_W}$": READ,
    f"^{AZURE_W}/datastores$": READ,
    rf"^{AZURE_W}/datastores/(?P<datastore>[^/\0]+)$": READ,
    rf"^{AZURE_W}/datastores/(?P<datastore>[^/\0]+)/listSecrets$": {"POST": CONTRIBUTOR},
    f"^{AZURE_W}/listKeys$": {"POST": CONTRIBUTOR},
    f"^{AZURE_W}/environments$": READ,
    f"{AZURE_ENVIRONMENT}$": {"GET": READER, "PUT": CONTRIBUTOR},
    f"{AZURE_ENVIRONMENT}/versions$": READ,
    f"{AZURE_VERSION}$": {"GET": READER, "PUT": CONTRIBUTOR},
    f"{SDK1_W}/environments/$": READ,
    f"{SDK1_ENVIRONMENT}$": {"GET": READER, "PUT": CONTRIBUTOR},
    rf"{SDK1_ENVIRONMENT}/labels/(?P<label>[^/\0]+)$": READ,
    f"{SDK1_ENVIRONMENT}/image$": READ,
    f"{SDK1_ENVIRONMENT}/recipe$": {"POST": READER},
    f"{SDK1_VERSION}$": {"GET": READER, "PUT": CONTRIBUTOR},
    f"{SDK1_VERSION}/metadata$": {"PUT": CONTRIBUTOR},
    f"{SDK1_VERSION}/image$": READ,
    f"{SDK1_VERSION}/recipe$": {"POST": READER},
    f"{SDK1_BUILD_ENVIRONMENT}/image$": DEFINE,
    rf"{SDK1_BUILD_ENVIRONMENT}/imageoncompute/(?P<compute>[^/\0]+)$": DEFINE,
    f"{SDK1_BUILD_VERSION}/image$": DEFINE,
    rf"{SDK1_BUILD_VERSION}/imageoncompute/(?P<compute>[^/\0]+)$": DEFINE,
    f"{SDK1_BUILD_VERSION}/image/requests/(?P<number>[0-9]{{1,18}})$": READ,
}
AZURE |= {
    r"^registrymanagement/v1\.0/registries/(?P<registry>[^/\0]+)/discovery$": READ,
    f"{AZURE_REGISTRY}/environments$": READ,
    AZURE_REGISTRY_ENVIRONMENT: {"GET": READER, "PUT": CONTRIBUTOR},
    rf"{AZURE_REGISTRY}/environments/(?P<name>[^/\0]+)/versions$": READ,
    AZURE_REGISTRY_VERSION: {"GET": READER, "PUT": CONTRIBUTOR},
    rf"{AZURE_REGISTRY}/tempdatarefs/(?P<name>[^/\0]+)/versions/(?P<version>[^/\0]+)$": {"PUT": CONTRIBUTOR},
    AZURE_IMPORT: {"POST": READER},  # what is shared needs the right to share it
}
