"""The URLs of the API, below /api/v1/, with the function that answers each method."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from studio.api import (
    activity,
    builds,
    clean_up,
    deprecations,
    environments,
    events,
    labels,
    notices,
    packages,
    proposals,
    tools,
    uses,
    webhooks,
    workspaces,
)
from studio.api.advisories import exposed
from studio.api.base_images import routes as bases
from studio.api.healing import drift, heals
from studio.api.http import answers
from studio.api.http.schema import route
from studio.api.policies import decisions, rules
from studio.api.sharing import badges, opening, shares

ENVIRONMENT = "workspaces/<slug:workspace>/environments/<word:name>/"
VERSION = f"{ENVIRONMENT}versions/<word:version>/"
BUILD = "workspaces/<slug:workspace>/builds/<uuid:build>/"
WEBHOOKS = "workspaces/<slug:workspace>/webhooks/"
PROPOSAL = "workspaces/<slug:workspace>/proposals/<int:proposal>/"
REBASE = "workspaces/<slug:workspace>/rebases/<int:rebase>/"
HEALS = "workspaces/<slug:workspace>/heals/"
SHARE = "workspaces/<slug:workspace>/shares/<int:share>/"
ROUTES = {
    # Outside workspaces
    "me/": route(GET=tools.me),
    "findings/": route(POST=tools.findings, only_reads=True),
    "diff/": route(GET=tools.difference),
    "packages/": route(GET=packages.packages_in_images),
    "patch-status/": route(GET=exposed.patch_status),
    "exposed/": route(GET=exposed.advisories),
    "exposed/<str:subject>/": route(GET=exposed.exposed),
    "bases/": route(GET=bases.all_bases),
    "events/": route(GET=activity.all_events),
    "events/export/": route(GET=activity.export_all_events),
    "notices/": route(GET=notices.notices),
    "notices/read/": route(POST=notices.read_notices),
    "signing-keys/": route(GET=tools.signing_keys),
    "tokens/": route(GET=tools.tokens, POST=tools.make_token),
    "tokens/<int:token>/": route(DELETE=tools.end_token),
    # Workspaces
    "workspaces/": route(GET=workspaces.workspaces, POST=workspaces.create_workspace),
    "workspaces/<slug:workspace>/": route(GET=workspaces.workspace, PATCH=workspaces.rename_workspace),
    "workspaces/<slug:workspace>/uploads/": route(
        GET=workspaces.upload_policy, PUT=workspaces.change_upload_policy
    ),
    "workspaces/<slug:workspace>/bytecode/": route(GET=workspaces.bytecode, PUT=workspaces.change_bytecode),
    "workspaces/<slug:workspace>/import-test/": route(
        GET=workspaces.import_test, PUT=workspaces.change_import_test
    ),
    "workspaces/<slug:workspace>/compression/": route(
        GET=workspaces.compression, PUT=workspaces.change_compression
    ),
    "workspaces/<slug:workspace>/policy/": route(GET=rules.policy),
    "workspaces/<slug:workspace>/policy/exceptions/": route(
        GET=rules.policy_exceptions, POST=rules.add_policy_exception
    ),
    "workspaces/<slug:workspace>/policy/exceptions/<int:exception>/": route(
        DELETE=rules.remove_policy_exception
    ),
    "workspaces/<slug:workspace>/policy/rules/<slug:rule>/": route(PUT=rules.change_policy_rule),
    "workspaces/<slug:workspace>/policy/rules/<slug:rule>/rehearse/": route(POST=rules.rehearse_policy_rule),
    "workspaces/<slug:workspace>/decisions/": route(GET=decisions.decisions, POST=decisions.record_decision),
    "workspaces/<slug:workspace>/decisions/<int:decision>/": route(DELETE=decisions.withdraw_decision),
    "workspaces/<slug:workspace>/vex/": route(GET=decisions.export_vex, POST=decisions.import_vex),
    "workspaces/<slug:workspace>/sharing/": route(
        GET=opening.sharing_settings, PATCH=opening.change_sharing_settings
    ),
    f"{ENVIRONMENT}drift/": route(GET=drift.drift, PUT=drift.watch_drift, DELETE=drift.unwatch_drift),
    f"{ENVIRONMENT}drift/version/": route(POST=drift.drift_version),
    HEALS: route(GET=heals.heals, POST=heals.start_heal),
    f"{HEALS}<int:run>/": route(GET=heals.heal, DELETE=heals.stop_heal),
    f"{HEALS}<int:run>/items/<int:item>/save/": route(POST=heals.save_healed),
    "workspaces/<slug:workspace>/invitations/": route(GET=workspaces.invitations, POST=workspaces.invite),
    "workspaces/<slug:workspace>/invitations/<int:invitation>/": route(
        DELETE=workspaces.revoke_invitation_by_number
    ),
    "workspaces/<slug:workspace>/members/": route(GET=workspaces.members),
    "workspaces/<slug:workspace>/members/<str:user>/": route(
        PUT=workspaces.keep_member, DELETE=workspaces.remove_member
    ),
    "workspaces/<slug:workspace>/events/": route(GET=activity.events),
    "workspaces/<slug:workspace>/events/export/": route(GET=activity.export_events),
    WEBHOOKS: route(GET=webhooks.list_webhooks, POST=webhooks.add_webhook),
    f"{WEBHOOKS}<int:webhook>/": route(
        GET=webhooks.give_webhook, PATCH=webhooks.change_webhook, DELETE=webhooks.delete_webhook
    ),
    f"{WEBHOOKS}<int:webhook>/secret/": route(POST=webhooks.renew_webhook),
    f"{WEBHOOKS}<int:webhook>/test/": route(POST=webhooks.test_webhook),
    f"{WEBHOOKS}<int:webhook>/deliveries/": route(GET=webhooks.deliveries),
    f"{WEBHOOKS}<int:webhook>/deliveries/<uuid:delivery>/again/": route(POST=webhooks.send_again),
    # Environments and versions
    "workspaces/<slug:workspace>/environments/": route(GET=environments.environments),
    "workspaces/<slug:workspace>/facets/": route(GET=environments.facets),
    "workspaces/<slug:workspace>/anonymous/": route(POST=environments.save_anonymous),
    ENVIRONMENT: route(GET=environments.environment, PATCH=environments.change),
    f"{ENVIRONMENT}archive/": route(POST=environments.archive),
    f"{ENVIRONMENT}restore/": route(POST=environments.restore),
    f"{ENVIRONMENT}versions/": route(GET=environments.versions, POST=environments.save),
    VERSION: route(GET=environments.version, PATCH=environments.describe),
    f"{VERSION}archive/": route(POST=environments.archive_version),
    f"{VERSION}restore/": route(POST=environments.restore_version),
    f"{VERSION}name/": route(POST=environments.save_under_name),
    f"{VERSION}definition/": route(GET=environments.definition),
    f"{ENVIRONMENT}labels/": route(GET=labels.labels),
    f"{ENVIRONMENT}labels/<word:label>/": route(
        GET=labels.label, PUT=labels.put_label, DELETE=labels.delete_label
    ),
    f"{ENVIRONMENT}labels/<word:label>/history/": route(GET=labels.label_history),
    f"{ENVIRONMENT}badges/": route(GET=badges.badges, POST=badges.create_badge),
    f"{ENVIRONMENT}badges/<int:key>/": route(DELETE=badges.revoke_badge),
    # Uses of environments
    f"{ENVIRONMENT}uses/": route(GET=uses.uses),
    f"{VERSION}uses/": route(GET=uses.uses_of_version, POST=uses.report),
    # The catalogue: proposals and deprecations
    f"{VERSION}propose/": route(POST=proposals.propose),
    "workspaces/<slug:workspace>/catalogue/<word:curated>/build/": route(POST=proposals.build_curated),
    "workspaces/<slug:workspace>/proposals/": route(GET=proposals.proposals),
    PROPOSAL: route(GET=proposals.proposal),
    f"{PROPOSAL}approve/": route(POST=proposals.approve),
    f"{PROPOSAL}ask-for-changes/": route(POST=proposals.ask_for_changes),
    f"{PROPOSAL}refuse/": route(POST=proposals.refuse),
    f"{PROPOSAL}withdraw/": route(POST=proposals.withdraw),
    f"{PROPOSAL}build/": route(POST=proposals.build_proposed),
    f"{PROPOSAL}try/": route(POST=proposals.try_proposed),
    "workspaces/<slug:workspace>/deprecations/": route(GET=deprecations.deprecated),
    f"{ENVIRONMENT}deprecation/": route(PUT=deprecations.deprecate, DELETE=deprecations.keep),
    f"{ENVIRONMENT}retire/": route(POST=deprecations.retire),
    # Shared versions
    f"{VERSION}share/": route(POST=shares.share),
    "workspaces/<slug:workspace>/shares/sent/": route(GET=shares.sent_shares),
    "workspaces/<slug:workspace>/shares/received/": route(GET=shares.received_shares),
    f"{SHARE}accept/": route(POST=shares.accept_share),
    f"{SHARE}decline/": route(POST=shares.decline_share),
    f"{SHARE}withdraw/": route(POST=shares.withdraw_share),
    # Base images and rebases
    "workspaces/<slug:workspace>/bases/": route(GET=bases.bases),
    "workspaces/<slug:workspace>/bases/check/": route(POST=bases.check_bases),
    "workspaces/<slug:workspace>/rebases/": route(GET=bases.rebases, POST=bases.request_rebase),
    REBASE: route(GET=bases.rebase),
    f"{REBASE}images/": route(GET=bases.rebased_images),
    f"{REBASE}start/": route(POST=bases.start_rebase),
    f"{REBASE}cancel/": route(POST=bases.cancel_rebase),
    # Builds and images
    f"{VERSION}builds/": route(POST=builds.request_build),
    f"{VERSION}packages/": route(GET=builds.packages),
    f"{VERSION}lock/": route(GET=builds.lock),
    "workspaces/<slug:workspace>/builds/": route(GET=builds.builds),
    BUILD: route(GET=builds.build),
    f"{BUILD}cancel/": route(POST=builds.cancel),
    f"{BUILD}stop/": route(POST=builds.stop),
    f"{BUILD}retry/": route(POST=builds.retry),
    f"{BUILD}log/": route(GET=builds.log),
    "workspaces/<slug:workspace>/images/": route(GET=builds.images),
    "workspaces/<slug:workspace>/images/clean-up/": route(
        GET=clean_up.preview_clean_up, POST=clean_up.clean_up
    ),
    "workspaces/<slug:workspace>/images/<str:digest>/": route(GET=builds.image),
}

app_name = "api"
urlpatterns = [
    *(path(url, view, name=view.cls.__name__) for url, view in ROUTES.items()),
    # The framework cannot send event streams; docs/api.md describes the stream.
    path(f"{BUILD}events/", events.stream),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api:schema", template_name="studio/api_docs.html"),
        name="docs",
    ),
    re_path(r"^(?P<path>[\s\S]*)$", answers.nowhere),
]
