"""The access table, written by hand: nothing is derived from the studio's own.

An address that is not here fails the test; a method that is not here must be refused as such (405).
"""

from __future__ import annotations

ANYBODY = "anybody"
SIGNED_IN = "signed in"
READER = "reader"
CONTRIBUTOR = "contributor"
OWNER = "owner"
ADMIN = "admin"
RUNS_IT = "whoever runs the studio"  # where no workspace is named
MINE = "whose it is"  # of the person `owner`; for all others it does not exist
NOBODY = "nobody"
SIGNED = "signed"  # by a signature in the query, which nobody has here; tokens and sessions count for nothing
SENT_ON = "sent on"  # signed-in users; for others there is no such method

Methods = dict[str, str]

READ: Methods = {"GET": READER}
DEFINE: Methods = {"POST": CONTRIBUTOR}
MANAGE: Methods = {"POST": OWNER}
READ_DEFINE: Methods = {"GET": CONTRIBUTOR, "POST": CONTRIBUTOR}

W = "w/<slug:workspace>/"
ENVIRONMENT = f"{W}environments/<word:name>/"
VERSION = f"{ENVIRONMENT}versions/<word:version>/"
BUILD = f"{W}builds/<uuid:build>/"
PAGES: dict[str, Methods] = {
    "healthz": {"GET": ANYBODY},
    "readyz": {"GET": ANYBODY},  # from this machine; tests/studio/operations/test_health.py asks from others
    "metrics": {"GET": ANYBODY},
    "": {"GET": SIGNED_IN},
    # Signed-in users are redirected, with any method.
    "login/": dict.fromkeys(("GET", "POST", "PUT"), ANYBODY) | dict.fromkeys(("PATCH", "DELETE"), SENT_ON),
    "login/provider/": {"GET": NOBODY},  # none is set up
    "login/provider/back/": {"GET": NOBODY},
    "login/<str:uid>/<str:token>/": {"GET": ANYBODY, "POST": ANYBODY},
    "invitations/<str:secret>/": {"GET": ANYBODY, "POST": ANYBODY},
    "docs/": {"GET": SIGNED_IN},
    "docs/<slug:name>/": {"GET": SIGNED_IN},
    "logout/": {"POST": ANYBODY},
    "account/tokens/": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "account/tokens/<int:token>/revoke": {"POST": MINE},
    "account/notifications/": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "account/password/": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "activity/": {"GET": SIGNED_IN},
    "activity/events.jsonl": {"GET": SIGNED_IN},
    "account/notifications/bell": {"GET": SIGNED_IN},
    "account/notifications/read": {"POST": SIGNED_IN},
    "theme/": {"POST": ANYBODY},
    "tour/dismiss": {"POST": SIGNED_IN},
    # Without its key; tests/studio/environments/test_badge.py comes with it.
    "badge/<slug:workspace>/<word:name>.svg": {"GET": NOBODY},
    "workspaces/new/": {"GET": RUNS_IT, "POST": RUNS_IT},
    "language/": {"POST": ANYBODY},
    f"{W}environments/": READ,
    f"{W}catalogue/<word:curated>/build": DEFINE,
    f"{W}first": DEFINE,
    f"{W}new/": READ_DEFINE,
    f"{W}check": {"POST": READER},
    f"{ENVIRONMENT}ignored": DEFINE,
    "docs/findings/": {"GET": SIGNED_IN},
    "docs/causes/": {"GET": SIGNED_IN},
    f"{W}complete": READ,
    f"{W}search/": READ,
    f"{W}packages/": READ,
    f"{W}packages/<word:name>/": READ,
    f"{W}views/save": {"POST": READER},  # a person's own
    f"{W}views/<int:view>/delete": {"POST": READER},
    f"{ENVIRONMENT}pin": {"POST": READER},
    ENVIRONMENT: READ,
    VERSION: READ,
    f"{VERSION}lock/<slug:format>": READ,
    f"{VERSION}file": READ,
    f"{VERSION}edit/": READ_DEFINE,
    f"{W}compare/": READ,
    f"{W}chosen/compare": {"POST": READER},
    f"{W}chosen/build": DEFINE,
    f"{W}chosen/archive": DEFINE,
    f"{W}activity/": READ,
    f"{W}activity/events.jsonl": READ,
    f"{W}settings/": READ,
    f"{W}settings/members/": MANAGE,
    f"{W}settings/members/remove": MANAGE,  # and oneself: tests/environments/workspaces/test_members.py
    f"{W}settings/invitations/": MANAGE,
    f"{W}settings/invitations/<int:invitation>/revoke": MANAGE,
    f"{W}settings/connections/": MANAGE,
    f"{W}settings/connections/<int:connection>/replace": MANAGE,
    f"{W}settings/connections/<int:connection>/test": MANAGE,
    f"{W}settings/connections/<int:connection>/delete": MANAGE,
    f"{W}settings/azure/config.json": READ,
    f"{W}settings/azure/authority.pem": READ,
    f"{W}settings/registry": MANAGE,
    f"{W}settings/pull": MANAGE,
    f"{W}settings/uploads": MANAGE,
    f"{W}settings/bytecode": MANAGE,
    f"{W}settings/compression": MANAGE,
    f"{W}settings/webhooks/": MANAGE,
    f"{W}settings/webhooks/<int:webhook>/change": MANAGE,
    f"{W}settings/webhooks/<int:webhook>/secret": MANAGE,
    f"{W}settings/webhooks/<int:webhook>/test": MANAGE,
    f"{W}settings/webhooks/<int:webhook>/delete": MANAGE,
    f"{W}settings/webhooks/<int:webhook>/deliveries/<uuid:delivery>/again": MANAGE,
    f"{W}settings/limits": {"POST": ADMIN},
    f"{W}settings/title": MANAGE,
    f"{ENVIRONMENT}archive": DEFINE,
    f"{VERSION}describe": DEFINE,
    f"{ENVIRONMENT}uses/<int:use>/end": DEFINE,
    f"{VERSION}archive": DEFINE,
    f"{VERSION}label/": READ_DEFINE,
    f"{VERSION}propose/": READ_DEFINE,
    f"{W}proposals/": {"GET": CONTRIBUTOR},
    f"{W}proposals/<int:proposal>/": {"GET": CONTRIBUTOR},
    f"{W}proposals/<int:proposal>/decide": DEFINE,
    f"{W}proposals/<int:proposal>/withdraw": DEFINE,
    f"{W}proposals/<int:proposal>/build": DEFINE,
    f"{W}proposals/<int:proposal>/try": DEFINE,
    f"{ENVIRONMENT}deprecate/": READ_DEFINE,
    f"{W}deprecations/<int:deprecation>/retire": DEFINE,
    f"{W}deprecations/<int:deprecation>/keep": DEFINE,
    f"{W}builds/": READ,
    f"{W}builds/figures/": READ,
    BUILD: READ,
    f"{BUILD}log.txt": READ,
    f"{BUILD}log/lines": READ,
    f"{BUILD}log/search": READ,
    f"{BUILD}stream": READ,
    f"{W}events/": READ,
    f"{BUILD}cancel": DEFINE,
    f"{BUILD}stop/": {"GET": OWNER, "POST": OWNER},
    f"{BUILD}retry": DEFINE,
    f"{W}images/": READ,
    f"{W}images/clean-up/": {"GET": OWNER, "POST": OWNER},
    f"{W}images/clean-up/store": {"POST": ADMIN},
    f"{W}images/<str:digest>/": READ,
    f"{VERSION}build": DEFINE,
    f"{VERSION}name": DEFINE,
    f"{VERSION}share/": READ_DEFINE,
    f"{W}shares/<int:share>/": {"GET": OWNER, "POST": OWNER},
    f"{W}shares/<int:share>/withdraw": DEFINE,
    f"{W}settings/opened": MANAGE,
    f"{W}settings/receiving": MANAGE,
    f"{W}settings/labels": MANAGE,
    f"{VERSION}rebuild/": {"GET": CONTRIBUTOR},
    f"{VERSION}rebuild/moves": READ_DEFINE,
}

API_W = "api/v1/workspaces/<slug:workspace>/"
API_ENVIRONMENT = f"{API_W}environments/<word:name>/"
API_VERSION = f"{API_ENVIRONMENT}versions/<word:version>/"
API_BUILD = f"{API_W}builds/<uuid:build>/"
API_PROPOSAL = f"{API_W}proposals/<int:proposal>/"
API: dict[str, Methods] = {
    "api/v1/me/": {"GET": SIGNED_IN},
    "api/v1/findings/": {"POST": SIGNED_IN},
    "api/v1/diff/": {"GET": SIGNED_IN},
    "api/v1/packages/": {"GET": SIGNED_IN},
    "api/v1/events/": {"GET": SIGNED_IN},
    "api/v1/events/export/": {"GET": SIGNED_IN},
    "api/v1/notices/": {"GET": SIGNED_IN},
    "api/v1/notices/read/": {"POST": SIGNED_IN},
    "api/v1/tokens/": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "api/v1/tokens/<int:token>/": {"DELETE": MINE},
    "api/v1/workspaces/": {"GET": SIGNED_IN, "POST": RUNS_IT},
    API_W: {"GET": READER, "PATCH": OWNER},
    f"{API_W}uploads/": {"GET": CONTRIBUTOR, "PUT": OWNER},
    f"{API_W}bytecode/": {"GET": CONTRIBUTOR, "PUT": OWNER},
    f"{API_W}compression/": {"GET": CONTRIBUTOR, "PUT": OWNER},
    f"{API_W}invitations/": {"GET": OWNER, "POST": OWNER},
    f"{API_W}invitations/<int:invitation>/": {"DELETE": OWNER},
    f"{API_W}members/": READ,
    f"{API_W}members/<str:user>/": {"PUT": OWNER, "DELETE": OWNER},
    f"{API_W}events/": READ,
    f"{API_W}events/export/": READ,
    f"{API_W}webhooks/": {"GET": OWNER, "POST": OWNER},
    f"{API_W}webhooks/<int:webhook>/": {"GET": OWNER, "PATCH": OWNER, "DELETE": OWNER},
    f"{API_W}webhooks/<int:webhook>/secret/": MANAGE,
    f"{API_W}webhooks/<int:webhook>/test/": MANAGE,
    f"{API_W}webhooks/<int:webhook>/deliveries/": {"GET": OWNER},
    f"{API_W}webhooks/<int:webhook>/deliveries/<uuid:delivery>/again/": MANAGE,
    f"{API_W}environments/": READ,
    API_ENVIRONMENT: {"GET": READER, "PATCH": CONTRIBUTOR},
    f"{API_ENVIRONMENT}archive/": DEFINE,
    f"{API_ENVIRONMENT}restore/": DEFINE,
    f"{API_ENVIRONMENT}versions/": {"GET": READER, "POST": CONTRIBUTOR},
    API_VERSION: {"GET": READER, "PATCH": CONTRIBUTOR},
    f"{API_VERSION}archive/": DEFINE,
    f"{API_VERSION}restore/": DEFINE,
    f"{API_VERSION}definition/": READ,
    f"{API_VERSION}name/": DEFINE,
    f"{API_VERSION}share/": DEFINE,
    f"{API_W}shares/sent/": {"GET": CONTRIBUTOR},
    f"{API_W}shares/received/": {"GET": OWNER},
    f"{API_W}shares/<int:share>/accept/": MANAGE,
    f"{API_W}shares/<int:share>/decline/": MANAGE,
    f"{API_W}shares/<int:share>/withdraw/": DEFINE,
    f"{API_W}sharing/": {"GET": CONTRIBUTOR, "PATCH": OWNER},
    f"{API_W}anonymous/": DEFINE,
    f"{API_ENVIRONMENT}labels/": READ,
    f"{API_ENVIRONMENT}labels/<word:label>/history/": READ,
    f"{API_ENVIRONMENT}labels/<word:label>/": {"GET": READER, "PUT": CONTRIBUTOR, "DELETE": CONTRIBUTOR},
    f"{API_ENVIRONMENT}uses/": READ,
    f"{API_VERSION}uses/": {"GET": READER, "POST": CONTRIBUTOR},
    f"{API_VERSION}propose/": DEFINE,
    f"{API_W}catalogue/<word:curated>/build/": DEFINE,
    f"{API_W}proposals/": {"GET": CONTRIBUTOR},
    API_PROPOSAL: {"GET": CONTRIBUTOR},
    f"{API_PROPOSAL}approve/": DEFINE,
    f"{API_PROPOSAL}ask-for-changes/": DEFINE,
    f"{API_PROPOSAL}refuse/": DEFINE,
    f"{API_PROPOSAL}withdraw/": DEFINE,
    f"{API_PROPOSAL}build/": DEFINE,
    f"{API_PROPOSAL}try/": DEFINE,
    f"{API_W}deprecations/": READ,
    f"{API_ENVIRONMENT}deprecation/": {"PUT": CONTRIBUTOR, "DELETE": CONTRIBUTOR},
    f"{API_ENVIRONMENT}retire/": DEFINE,
    f"{API_VERSION}builds/": DEFINE,
    f"{API_VERSION}packages/": READ,
    f"{API_VERSION}lock/": READ,
    f"{API_W}builds/": READ,
    API_BUILD: READ,
    f"{API_BUILD}cancel/": DEFINE,
    f"{API_BUILD}stop/": MANAGE,
    f"{API_BUILD}retry/": DEFINE,
    f"{API_BUILD}log/": READ,
    f"{API_BUILD}events/": READ,
    f"{API_W}images/": READ,
    f"{API_W}images/clean-up/": {"GET": OWNER, "POST": OWNER},
    f"{API_W}images/<str:digest>/": READ,
    "api/v1/schema/": {"GET": ANYBODY},
    "api/v1/docs/": {"GET": ANYBODY},
    r"api/v1/^(?P<path>[\s\S]*)$": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), NOBODY),
}
# A token that only reads may send these.
READ_BY_POST = {"api/v1/findings/"}
# They look at the method before they look at who asks, if they look at that at all.
OUTSIDE_THE_FRAMEWORK = {
    f"{API_BUILD}events/",
    "api/v1/schema/",
    "api/v1/docs/",
    r"api/v1/^(?P<path>[\s\S]*)$",
}
NOT_BY_TOKEN = {("api/v1/tokens/", "POST")}  # a token makes no token

REGISTRY: dict[str, Methods] = {
    "v2/": {"GET": SIGNED_IN},
    "v2/token": {"GET": ANYBODY},
    r"v2/^(?P<name>.+)/manifests/(?P<reference>[^/]+)$": READ,
    r"v2/^(?P<name>.+)/blobs/(?P<digest>[^/]+)$": READ,
    r"v2/^(?P<name>.+)/tags/list$": READ,
    "v2/…": {"GET": NOBODY},
}

# For the Azure ML SDKs; callers send an access token.
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
    rf"{AZURE_REGISTRY}/environments/(?P<name>[^/\0]+)$": READ,
    rf"{AZURE_REGISTRY}/environments/(?P<name>[^/\0]+)/versions$": READ,
    AZURE_REGISTRY_VERSION: {"GET": READER, "PUT": CONTRIBUTOR},
    rf"{AZURE_REGISTRY}/tempdatarefs/(?P<name>[^/\0]+)/versions/(?P<version>[^/\0]+)$": {"PUT": CONTRIBUTOR},
    AZURE_IMPORT: {"POST": READER},  # what is shared needs the right to share it
}
READ_BY_POST |= {f"{SDK1_ENVIRONMENT}/recipe$", f"{SDK1_VERSION}/recipe$"}
EXPECTED: dict[str, Methods] = PAGES | API | REGISTRY | AZURE

# An event stream redirects nobody to the sign-in page.
NO_SIGN_IN = {f"{BUILD}stream", f"{W}events/"}
# The catalogue is not edited, but the start of others (rule 29).
NOT_IN_THE_CATALOGUE = {f"{VERSION}edit/", f"{VERSION}propose/", f"{API_VERSION}propose/"}
# Anyone may pull the catalogue's images, and so see their badges.
OPEN_IN_THE_CATALOGUE = {"badge/<slug:workspace>/<word:name>.svg"}
# Nothing is decided, deprecated or retired anywhere else; curators there are contributors.
ONLY_IN_THE_CATALOGUE = {
    f"{W}proposals/<int:proposal>/decide",
    f"{W}proposals/<int:proposal>/try",
    f"{ENVIRONMENT}deprecate/",
    f"{W}deprecations/<int:deprecation>/retire",
    f"{W}deprecations/<int:deprecation>/keep",
    f"{API_PROPOSAL}approve/",
    f"{API_PROPOSAL}ask-for-changes/",
    f"{API_PROPOSAL}refuse/",
    f"{API_PROPOSAL}try/",
    f"{API_W}deprecations/",
    f"{API_ENVIRONMENT}deprecation/",
    f"{API_ENVIRONMENT}retire/",
}
# Withdrawn in its own workspace: curators get 404, other callers 403.
WITHDRAWN_AT_HOME = {f"{W}proposals/<int:proposal>/withdraw", f"{API_PROPOSAL}withdraw/"}
