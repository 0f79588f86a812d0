"""The change of each route, written by hand: the data to send, and the event that it records.

An address that changes something is here, or among those that leave no event, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.access.expected import (
    API_BUILD,
    API_ENVIRONMENT,
    API_PROPOSAL,
    API_VERSION,
    API_W,
    BUILD,
    ENVIRONMENT,
    VERSION,
    W,
)
from tests.access.expected_azure import (
    AZURE_ENVIRONMENT,
    AZURE_IMPORT,
    AZURE_REGISTRY,
    AZURE_REGISTRY_ENVIRONMENT,
    AZURE_REGISTRY_VERSION,
    AZURE_VERSION,
    AZURE_W,
    SDK1_BUILD_ENVIRONMENT,
    SDK1_BUILD_VERSION,
    SDK1_ENVIRONMENT,
    SDK1_VERSION,
)

PASSWORD = "a long enough password"
ANOTHER = "another long enough one"
TEXT = "numpy==2.2.0\n"
DEFINED = {"text": TEXT, "name": "another", "workspace": "lab", "action": "save"}


@dataclass(frozen=True)
class Change:
    """The data to send, as the owner of `lab` or as an admin, and the verb of the recorded event.

    `there` names other things for the address than the usual ones: see `tests.access.test_events_of_changes`.
    """

    verb: str
    sent: dict[str, Any] = field(default_factory=dict)
    there: dict[str, str] = field(default_factory=dict)
    admin: bool = False
    workspace: str = "lab"


CONNECTION = {"kind": "index", "address": "https://p.example/simple", "user": "u", "password": "a secret"}
HOOK = {"address": "https://h.example/x", "groups": "builds"}
EXCEPTION = {"kind": "package", "subject": "scipy", "rule": "", "reason": "Needed until May."}
DECISION = {
    "advisory": "CVE-2024-1",
    "environment": "forecast",
    "scope": "environment",
    "state": "accepted",
    "reason": "Low.",
}
RUNNING = {"build": "running"}
ANONYMOUS = {"name": "anonymous", "version": "nameless"}
BUILT_VERSION = {"version": "built-version"}
OPEN_RUN = {"run": "open-run"}
RECEIVED = {"share": "received"}
UNBUILT = {"version": "unbuilt"}
BUILT = {"proposal": "built"}
LEAVING = {"on": "2999-01-01", "reason": "A hole.", "words": "A hole."}


def curated(verb: str, sent: dict[str, Any] | None = None, there: dict[str, str] | None = None) -> Change:
    """Return a change that an admin makes in the catalogue."""
    return Change(verb, sent or {}, there or {}, admin=True, workspace="curated")


CHANGES: dict[tuple[str, str], Change] = {
    ("account/tokens/", "POST"): Change("token.created", {"name": "n", "scope": "2", "days": "7"}),
    ("account/tokens/<int:token>/revoke", "POST"): Change("token.revoked"),
    ("account/password/", "POST"): Change(
        "person.password",
        {"old_password": PASSWORD, "new_password1": ANOTHER, "new_password2": ANOTHER},
    ),
    ("workspaces/new/", "POST"): Change("workspace.created", {"title": "Vision"}, admin=True),
    ("account/notifications/", "POST"): Change("person.notifications", {"email": "a@example.com"}),
    (f"{W}first", "POST"): Change("build.requested"),
    (f"{W}new/", "POST"): Change("version.created", DEFINED),
    (f"{VERSION}edit/", "POST"): Change("version.created", {"text": TEXT, "action": "save"}),
    (f"{W}settings/members/", "POST"): Change("member.changed", {"user": "mia", "role": "owner"}),
    (f"{W}settings/members/remove", "POST"): Change("member.removed", {"user": "mia"}),
    (f"{W}settings/invitations/", "POST"): Change("invitation.created", {"role": "reader"}),
    (f"{W}settings/invitations/<int:invitation>/revoke", "POST"): Change("invitation.revoked"),
    (f"{W}settings/connections/", "POST"): Change("connection.created", CONNECTION),
    (f"{W}settings/connections/<int:connection>/replace", "POST"): Change("connection.replaced", CONNECTION),
    (f"{W}settings/connections/<int:connection>/delete", "POST"): Change("connection.deleted"),
    (f"{W}settings/registry", "POST"): Change("workspace.registry", {"registry": "registry.example.com"}),
    (f"{W}settings/pull", "POST"): Change("workspace.pull", {"anonymous_pull": "on"}),
    (f"{W}settings/import-test", "POST"): Change("workspace.import_test", {"import_test": "off"}),
    (f"{W}settings/bytecode", "POST"): Change("workspace.bytecode", {"bytecode": "all"}),
    (f"{W}settings/uploads", "POST"): Change("workspace.uploads", {"limit": "14 days"}),
    (f"{W}settings/compression", "POST"): Change("workspace.compression", {"compression": "zstd"}),
    (f"{W}settings/webhooks/", "POST"): Change("webhook.created", HOOK),
    (f"{W}settings/webhooks/<int:webhook>/change", "POST"): Change("webhook.changed", HOOK),
    (f"{W}settings/webhooks/<int:webhook>/secret", "POST"): Change("webhook.renewed"),
    (f"{W}settings/webhooks/<int:webhook>/test", "POST"): Change("webhook.tested"),
    (f"{W}settings/webhooks/<int:webhook>/delete", "POST"): Change("webhook.deleted"),
    (f"{W}settings/webhooks/<int:webhook>/deliveries/<uuid:delivery>/again", "POST"): Change(
        "webhook.sent_again"
    ),
    (f"{W}settings/limits", "POST"): Change("workspace.limits", {"at_once": "1"}, admin=True),
    (f"{W}settings/title", "POST"): Change("workspace.renamed", {"title": "The laboratory"}),
    (f"{W}bases/check", "POST"): Change("bases.checked"),
    (f"{W}rebases/preview", "POST"): Change("rebase.planned", {"base": "python:3.11"}),
    (f"{W}rebases/<int:rebase>/start", "POST"): Change("rebase.started"),
    (f"{W}rebases/<int:rebase>/cancel", "POST"): Change("rebase.cancelled"),
    (f"{API_W}bases/check/", "POST"): Change("bases.checked"),
    (f"{API_W}rebases/", "POST"): Change("rebase.planned", {"base": "python:3.11"}),
    (f"{API_W}rebases/<int:rebase>/start/", "POST"): Change("rebase.started"),
    (f"{API_W}rebases/<int:rebase>/cancel/", "POST"): Change("rebase.cancelled"),
    (f"{W}images/clean-up/", "POST"): Change("images.cleaned", {"days": "7"}),
    (f"{W}images/clean-up/store", "POST"): Change("store.cleaned", admin=True),
    (f"{ENVIRONMENT}archive", "POST"): Change("environment.archived"),
    (f"{W}chosen/archive", "POST"): Change("environment.archived", {"environment": "lab/forecast"}),
    (f"{W}chosen/build", "POST"): Change("build.requested", {"environment": "lab/forecast"}),
    (f"{ENVIRONMENT}ignored", "POST"): Change("environment.findings", {"ignore": "base-assumed"}),
    (f"{VERSION}describe", "POST"): Change("version.described", {"description": "new"}),
    (f"{ENVIRONMENT}uses/<int:use>/end", "POST"): Change(
        "use.ended", there={"name": "used", "use": "active"}
    ),
    (f"{VERSION}archive", "POST"): Change("environment.archived"),
    (f"{ENVIRONMENT}badge-keys", "POST"): Change("badge.created", {"key_name": "README"}),
    (f"{ENVIRONMENT}badge-keys/<int:key>/revoke", "POST"): Change("badge.revoked"),
    (f"{API_ENVIRONMENT}badges/", "POST"): Change("badge.created", {"name": "README"}),
    (f"{API_ENVIRONMENT}badges/<int:key>/", "DELETE"): Change("badge.revoked"),
    (f"{VERSION}label/", "POST"): Change("label.moved", {"label": "prod", "seen": "2"}),
    (f"{VERSION}name", "POST"): Change("version.created", {"name": "named"}, there=ANONYMOUS),
    (f"{ENVIRONMENT}drift/", "POST"): Change("environment.watched", {"action": "watch"}),
    (f"{API_ENVIRONMENT}drift/", "PUT"): Change("environment.watched"),
    (f"{API_ENVIRONMENT}drift/", "DELETE"): Change("environment.unwatched", there={"name": "drifted"}),
    (f"{API_ENVIRONMENT}drift/version/", "POST"): Change("version.created", there={"name": "drifted"}),
    (f"{W}heal/", "POST"): Change("heal.requested", {"id": "CVE-2026-1", "environment": "{affected}"}),
    (f"{W}heal/<int:run>/cancel", "POST"): Change("heal.cancelled", there=OPEN_RUN),
    (f"{W}heal/<int:run>/items/<int:item>/publish", "POST"): Change("version.healed"),
    (f"{API_W}heals/", "POST"): Change("heal.requested", {"advisories": ["CVE-2026-1"]}),
    (f"{API_W}heals/<int:run>/", "DELETE"): Change("heal.cancelled", there=OPEN_RUN),
    (f"{API_W}heals/<int:run>/items/<int:item>/save/", "POST"): Change("version.healed"),
    (f"{VERSION}share/", "POST"): Change("share.sent", {"to": "nowhere"}, there=BUILT_VERSION),
    (f"{W}shares/<int:share>/", "POST"): Change("share.accepted", {"decision": "accept"}, there=RECEIVED),
    (f"{W}shares/<int:share>/withdraw", "POST"): Change("share.withdrawn"),
    (f"{W}settings/opened", "POST"): Change("workspace.opened", {}),
    (f"{W}settings/receiving", "POST"): Change("workspace.receiving", {}),
    (f"{W}settings/labels", "POST"): Change("workspace.labels", {"labels": "prod staging"}),
    (f"{W}settings/policy/<slug:rule>", "POST"): Change("policy.rule", {"level": "warn", "deny": "MIT"}),
    (f"{W}settings/exceptions/", "POST"): Change("policy.excepted", EXCEPTION),
    (f"{W}settings/exceptions/<int:exception>/remove", "POST"): Change("policy.unexcepted"),
    (f"{W}decisions/", "POST"): Change("triage.decided", DECISION),
    (f"{W}decisions/<int:decision>/withdraw", "POST"): Change("triage.withdrawn"),
    (f"{API_W}policy/rules/<slug:rule>/", "PUT"): Change(
        "policy.rule", {"level": "warn", "options": {"deny": ["MIT"]}}
    ),
    (f"{API_W}policy/exceptions/", "POST"): Change("policy.excepted", EXCEPTION),
    (f"{API_W}policy/exceptions/<int:exception>/", "DELETE"): Change("policy.unexcepted"),
    (f"{API_W}decisions/", "POST"): Change("triage.decided", DECISION),
    (f"{API_W}decisions/<int:decision>/", "DELETE"): Change("triage.withdrawn"),
    (f"{API_W}vex/", "POST"): Change(
        "triage.imported",
        {"environment": "forecast", "document": {"bomFormat": "CycloneDX", "specVersion": "1.6"}},
    ),
    (f"{API_VERSION}share/", "POST"): Change("share.sent", {"workspace": "nowhere"}, there=BUILT_VERSION),
    (f"{API_W}shares/<int:share>/accept/", "POST"): Change("share.accepted", there=RECEIVED),
    (f"{API_W}shares/<int:share>/decline/", "POST"): Change("share.declined", there=RECEIVED),
    (f"{API_W}shares/<int:share>/withdraw/", "POST"): Change("share.withdrawn"),
    (f"{API_W}sharing/", "PATCH"): Change("workspace.opened", {"opened": False}),
    (f"{BUILD}cancel", "POST"): Change("build.cancelled", there=RUNNING),
    (f"{BUILD}stop/", "POST"): Change("build.stopped", there=RUNNING),
    (f"{BUILD}retry", "POST"): Change("build.requested"),
    (f"{VERSION}build", "POST"): Change("build.requested", there=UNBUILT),
    (f"{W}catalogue/<word:curated>/build", "POST"): Change("build.requested"),
    (f"{VERSION}propose/", "POST"): Change(
        "proposal.answered", {"words": "Newer.", "description": "Newer."}, there=UNBUILT
    ),
    (f"{W}proposals/<int:proposal>/decide", "POST"): curated(
        "proposal.refused", {"decision": "refuse", "words": "No.", "seen": "1.0."}
    ),
    (f"{W}proposals/<int:proposal>/withdraw", "POST"): Change("proposal.withdrawn"),
    (f"{W}proposals/<int:proposal>/build", "POST"): Change("build.requested"),
    (f"{W}proposals/<int:proposal>/try", "POST"): curated("proposal.trial", there=BUILT),
    (f"{ENVIRONMENT}deprecate/", "POST"): curated("catalogue.deprecated", LEAVING),
    (f"{W}deprecations/<int:deprecation>/retire", "POST"): curated("catalogue.retired"),
    (f"{W}deprecations/<int:deprecation>/keep", "POST"): curated("catalogue.kept"),
    (f"{API_W}images/clean-up/", "POST"): Change("images.cleaned", {"days": 7}),
    ("api/v1/tokens/", "POST"): Change("token.created", {"name": "n"}),
    ("api/v1/tokens/<int:token>/", "DELETE"): Change("token.revoked"),
    ("api/v1/workspaces/", "POST"): Change("workspace.created", {"title": "Vision"}, admin=True),
    (API_W, "PATCH"): Change("workspace.renamed", {"title": "The laboratory"}),
    (f"{API_W}import-test/", "PUT"): Change("workspace.import_test", {"import_test": "off"}),
    (f"{API_W}bytecode/", "PUT"): Change("workspace.bytecode", {"bytecode": "all"}),
    (f"{API_W}uploads/", "PUT"): Change("workspace.uploads", {"limit": "14 days"}),
    (f"{API_W}compression/", "PUT"): Change("workspace.compression", {"compression": "zstd"}),
    (f"{API_W}members/<str:user>/", "PUT"): Change("member.changed", {"role": "owner"}),
    (f"{API_W}members/<str:user>/", "DELETE"): Change("member.removed"),
    (f"{API_W}invitations/", "POST"): Change("invitation.created", {"role": "reader"}),
    (f"{API_W}invitations/<int:invitation>/", "DELETE"): Change("invitation.revoked"),
    (f"{API_W}webhooks/", "POST"): Change("webhook.created", {"address": "https://h.example/x"}),
    (f"{API_W}webhooks/<int:webhook>/", "PATCH"): Change("webhook.changed", {"active": False}),
    (f"{API_W}webhooks/<int:webhook>/", "DELETE"): Change("webhook.deleted"),
    (f"{API_W}webhooks/<int:webhook>/secret/", "POST"): Change("webhook.renewed"),
    (f"{API_W}webhooks/<int:webhook>/test/", "POST"): Change("webhook.tested"),
    (f"{API_W}webhooks/<int:webhook>/deliveries/<uuid:delivery>/again/", "POST"): Change(
        "webhook.sent_again"
    ),
    (f"{API_ENVIRONMENT}archive/", "POST"): Change("environment.archived"),
    (f"{API_ENVIRONMENT}restore/", "POST"): Change("environment.restored"),
    (f"{API_ENVIRONMENT}versions/", "POST"): Change("version.created", {"text": TEXT}),
    (f"{API_VERSION}name/", "POST"): Change("version.created", {"name": "named"}, there=ANONYMOUS),
    (f"{API_W}anonymous/", "POST"): Change("version.submitted", {"text": TEXT}),
    (API_ENVIRONMENT, "PATCH"): Change("environment.findings", {"ignored_findings": ["base-assumed"]}),
    (f"{API_VERSION}", "PATCH"): Change("version.described", {"description": "new"}),
    (f"{API_VERSION}archive/", "POST"): Change("environment.archived"),
    (f"{API_VERSION}restore/", "POST"): Change("environment.restored"),
    (f"{API_ENVIRONMENT}labels/<word:label>/", "PUT"): Change("label.moved", {"version": "1"}),
    (f"{API_ENVIRONMENT}labels/<word:label>/", "DELETE"): Change("label.removed"),
    (f"{API_VERSION}uses/", "POST"): Change("use.reported", {"kind": "run", "name": "train-41"}),
    (f"{API_W}catalogue/<word:curated>/build/", "POST"): Change("build.requested"),
    (f"{API_VERSION}propose/", "POST"): Change(
        "proposal.answered", {"reason": "Newer.", "description": "Newer."}, there=UNBUILT
    ),
    (f"{API_PROPOSAL}approve/", "POST"): curated(
        "proposal.published", {"confirm": ["host-base", "trial"]}, there=BUILT
    ),
    (f"{API_PROPOSAL}ask-for-changes/", "POST"): curated("proposal.changes", {"comment": "Pin it."}),
    (f"{API_PROPOSAL}refuse/", "POST"): curated("proposal.refused", {"comment": "No."}),
    (f"{API_PROPOSAL}withdraw/", "POST"): Change("proposal.withdrawn"),
    (f"{API_PROPOSAL}build/", "POST"): Change("build.requested"),
    (f"{API_PROPOSAL}try/", "POST"): curated("proposal.trial", there=BUILT),
    (f"{API_ENVIRONMENT}deprecation/", "PUT"): curated("catalogue.deprecated", LEAVING),
    (f"{API_ENVIRONMENT}deprecation/", "DELETE"): curated("catalogue.kept"),
    (f"{API_ENVIRONMENT}retire/", "POST"): curated("catalogue.retired"),
    (f"{API_VERSION}builds/", "POST"): Change("build.requested", there=UNBUILT),
    (f"{API_BUILD}cancel/", "POST"): Change("build.cancelled", there=RUNNING),
    (f"{API_BUILD}stop/", "POST"): Change("build.stopped", there=RUNNING),
    (f"{API_BUILD}retry/", "POST"): Change("build.requested"),
    (f"{AZURE_ENVIRONMENT}$", "PUT"): Change("environment.archived", {"properties": {"isArchived": True}}),
    (f"{AZURE_VERSION}$", "PUT"): Change(
        "version.created", {"properties": {"image": "python:3.12"}}, there={"version": "new"}
    ),
    (f"{SDK1_ENVIRONMENT}$", "PUT"): Change("version.created", {"Docker": {"baseImage": "python:3.12"}}),
    (f"{SDK1_VERSION}$", "PUT"): Change(
        "version.created", {"Docker": {"baseImage": "python:3.12"}}, there={"version": "new"}
    ),
    (f"{SDK1_VERSION}/metadata$", "PUT"): Change("label.set", {"Labels": ["canary"]}),
    (f"{SDK1_BUILD_ENVIRONMENT}/image$", "POST"): Change("build.requested"),
    (f"{SDK1_BUILD_VERSION}/image$", "POST"): Change("build.requested", there=UNBUILT),
}

CHANGES |= {
    (AZURE_REGISTRY_ENVIRONMENT, "PUT"): Change("environment.archived", {"properties": {"isArchived": True}}),
    (AZURE_REGISTRY_VERSION, "PUT"): Change(
        "version.created", {"properties": {"image": "python:3.12"}}, there={"version": "new"}
    ),
}

LEAVE_NO_EVENT: dict[tuple[str, str], str] = {
    (
        rf"^{AZURE_W}/datastores/(?P<datastore>[^/\0]+)/listSecrets$",
        "POST",
    ): "a signature changes nothing; the version that is saved with an upload leaves its own event",
    (
        rf"{AZURE_REGISTRY}/tempdatarefs/(?P<name>[^/\0]+)/versions/(?P<version>[^/\0]+)$",
        "PUT",
    ): "a signature changes nothing; the version that is saved with an upload leaves its own event",
    (f"^{AZURE_W}/listKeys$", "POST"): "a key changes nothing; the version that is saved with an upload does",
    (AZURE_IMPORT, "POST"): "tests/studio/azure/registries/test_registries.py: it needs two workspaces",
    ("tour/dismiss", "POST"): "what a person has seen is nobody else's affair",
    ("account/notifications/read", "POST"): "what a person has seen is nobody else's affair",
    (f"{W}check", "POST"): "nothing is saved",
    (f"{W}settings/policy/<slug:rule>/rehearse", "POST"): "nothing is saved",
    (f"{API_W}policy/rules/<slug:rule>/rehearse/", "POST"): "nothing is saved",
    (f"{W}decisions/import", "POST"): "tests/studio/policies/test_decisions.py: it needs a file",
    (f"{W}settings/connections/<int:connection>/test", "POST"): "nothing is saved",
    (f"{W}views/save", "POST"): "what a person searches for is nobody else's affair",
    (f"{W}views/<int:view>/delete", "POST"): "what a person searches for is nobody else's affair",
    (f"{ENVIRONMENT}pin", "POST"): "what a person pins is nobody else's affair",
    (f"{W}chosen/compare", "POST"): "it leads to the page that compares",
    (f"{VERSION}rebuild/moves", "POST"): "a worker looks ahead; nothing changes",
    ("api/v1/notices/read/", "POST"): "what a person has read is nobody else's affair",
    ("api/v1/findings/", "POST"): "nothing is saved",
    (f"{SDK1_ENVIRONMENT}/recipe$", "POST"): "nothing is saved",
    (f"{SDK1_VERSION}/recipe$", "POST"): "nothing is saved",
    (rf"{SDK1_BUILD_ENVIRONMENT}/imageoncompute/(?P<compute>[^/\0]+)$", "POST"): "it is refused",
    (rf"{SDK1_BUILD_VERSION}/imageoncompute/(?P<compute>[^/\0]+)$", "POST"): "it is refused",
}
