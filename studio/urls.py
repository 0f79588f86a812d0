"""The URLs of the studio: its pages, and those of the packages below."""

from django.contrib.auth import views as auth
from django.urls import include, path

from environments.audit import views as audit_views
from environments.sections import in_section
from studio.azure import page as azure_page
from studio.bases import rebasing
from studio.bases import views as bases_views
from studio.catalogue import ahead, deprecations, proposals, propose
from studio.defining import completion_views, ignoring, reference
from studio.defining import views as defining_views
from studio.documentation import views as documentation_views
from studio.environments import about, bulk_actions, compare, details, first_build, labels, tour, uses
from studio.environments import views as environments_views
from studio.environments.badge import keys as badge_keys
from studio.environments.badge import views as badge_views
from studio.exposure import views as exposure_views
from studio.healing import drift_views
from studio.healing import views as healing_views
from studio.operations import views as operations_views
from studio.packages import views as packages_views
from studio.policies import settings as policy_settings
from studio.policies import triage
from studio.search import saved
from studio.search import views as search_views
from studio.sharing import settings as sharing_settings
from studio.sharing import views as sharing_views
from studio.signing_in import account, invitation_views, openid_views
from studio.signing_in import views as signing_in_views
from studio.workspaces import inbox, limits, notifications
from studio.workspaces import views as workspaces_views

handler500 = "studio.operations.views.server_error"
urlpatterns = [
    # /healthz
    path("healthz", operations_views.healthz, name="healthz"),
    # /readyz
    path("readyz", operations_views.readyz, name="readyz"),
    # /.well-known/studio-signing-key.pem
    path(".well-known/studio-signing-key.pem", operations_views.signing_key, name="signing-key"),
    # /metrics
    path("metrics", operations_views.metrics_page, name="metrics"),
    # /
    path("", signing_in_views.home, name="home"),
    # /login/?next=/w/<workspace>/builds/
    path("login/", signing_in_views.SignIn.as_view(), name="login"),
    # /login/provider/?next=/w/<workspace>/builds/
    path("login/provider/", openid_views.go, name="provider"),
    # /login/provider/back/?code=<code>&state=<state>
    path("login/provider/back/", openid_views.back, name="provider-back"),
    # /login/<uid>/<token>/
    path("login/<str:uid>/<str:token>/", signing_in_views.one_time, name="login-once"),
    # /invitations/<secret>/
    path("invitations/<str:secret>/", invitation_views.accept, name="accept-invitation"),
    # /docs/
    path("docs/", documentation_views.index, name="documentation"),
    # /docs/findings/#unknown-key
    path("docs/findings/", reference.findings, name="findings_reference"),
    # /docs/causes/#conflict
    path("docs/causes/", reference.causes, name="causes_reference"),
    # /docs/running/#connections
    path("docs/<slug:name>/", documentation_views.page, name="documentation-page"),
    # /logout/
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    # /account/tokens/
    path("account/tokens/", account.tokens, name="tokens"),
    # /account/tokens/<number>/revoke
    path("account/tokens/<int:token>/revoke", account.revoke, name="revoke-token"),
    # /account/notifications/?unread&page=2
    path("account/notifications/", notifications.notifications, name="notifications"),
    # /account/notifications/bell
    path("account/notifications/bell", inbox.bell, name="bell"),
    # /account/notifications/read
    path("account/notifications/read", inbox.read, name="read-notices"),
    # /account/password/
    path("account/password/", account.password, name="password"),
    # /activity/?who=ann&what=settings&workspace=lab&since=2026-11-01&until=2026-11-30&page=2
    path("activity/", in_section("activity", audit_views.everywhere), name="everywhere"),
    # /activity/events.jsonl?workspace=:none
    path("activity/events.jsonl", audit_views.export_everywhere, name="export_everywhere"),
    # /patch-status/
    path("patch-status/", in_section("exposed", exposure_views.patch_status), name="patch_status"),
    # /bases/
    path("bases/", in_section("images", bases_views.everywhere), name="bases_everywhere"),
    # /tour/dismiss
    path("tour/dismiss", tour.dismiss, name="dismiss_tour"),
    # /badge/<workspace>/<name>.svg?key=<key>
    path("badge/<slug:workspace>/<word:name>.svg", badge_views.badge, name="badge"),
    # /theme/
    path("theme/", signing_in_views.theme, name="theme"),
    # /workspaces/new/
    path("workspaces/new/", workspaces_views.new_workspace, name="new_workspace"),
    # /w/<workspace>/settings/title
    path(
        "w/<slug:workspace>/settings/title",
        in_section("settings", workspaces_views.rename),
        name="rename_workspace",
    ),
    # /w/<workspace>/environments/<name>/drift/
    path(
        "w/<slug:workspace>/environments/<word:name>/drift/",
        in_section("environments", drift_views.drift),
        name="drift",
    ),
    # /w/<workspace>/heal/?id=CVE-2024-22195
    path("w/<slug:workspace>/heal/", in_section("exposed", healing_views.heal), name="heal"),
    # /w/<workspace>/heal/<run>/
    path("w/<slug:workspace>/heal/<int:run>/", in_section("exposed", healing_views.run), name="heal-run"),
    # /w/<workspace>/heal/<run>/cancel
    path("w/<slug:workspace>/heal/<int:run>/cancel", healing_views.cancel, name="heal-cancel"),
    # /w/<workspace>/heal/<run>/items/<item>/publish
    path(
        "w/<slug:workspace>/heal/<int:run>/items/<int:item>/publish",
        healing_views.publish,
        name="heal-publish",
    ),
    # /language/
    path("language/", signing_in_views.language, name="language"),
    # /w/<workspace>/environments/?tab=curated&q=torch&archived=1&sort=-changed&page=2
    # /w/<workspace>/environments/?tab=curated&q=framework:pytorch device:gpu&view=list
    path(
        "w/<slug:workspace>/environments/",
        in_section("environments", environments_views.environments),
        name="environments",
    ),
    # /w/<workspace>/catalogue/<name>/build
    path("w/<slug:workspace>/catalogue/<word:curated>/build", ahead.build_curated, name="build_curated"),
    # /w/<workspace>/search/?q=churn
    path("w/<slug:workspace>/search/", search_views.search, name="search"),
    # /w/<workspace>/packages/?q=num&page=2
    path(
        "w/<slug:workspace>/packages/", in_section("environments", packages_views.packages), name="packages"
    ),
    # /w/<workspace>/packages/numpy/?q=<2
    path(
        "w/<slug:workspace>/packages/<word:name>/",
        in_section("environments", packages_views.package),
        name="package",
    ),
    # /w/<workspace>/exposed/?severity=high&q=jinja&in=all&page=2
    path("w/<slug:workspace>/exposed/", in_section("exposed", exposure_views.advisories), name="advisories"),
    # /w/<workspace>/exposed/CVE-2026-1234/?show=past&in=all&page=2
    path(
        "w/<slug:workspace>/exposed/<str:subject>/",
        in_section("exposed", exposure_views.exposed),
        name="exposed",
    ),
    # /w/<workspace>/bases/
    path("w/<slug:workspace>/bases/", in_section("images", bases_views.bases), name="bases"),
    # /w/<workspace>/bases/check
    path("w/<slug:workspace>/bases/check", bases_views.check, name="check_bases"),
    # /w/<workspace>/rebases/preview
    path("w/<slug:workspace>/rebases/preview", rebasing.preview, name="preview_rebase"),
    # /w/<workspace>/rebases/7/?page=2
    path("w/<slug:workspace>/rebases/<int:rebase>/", in_section("images", rebasing.rebase), name="rebase"),
    # /w/<workspace>/rebases/7/start
    path("w/<slug:workspace>/rebases/<int:rebase>/start", rebasing.start, name="start_rebase"),
    # /w/<workspace>/rebases/7/cancel
    path("w/<slug:workspace>/rebases/<int:rebase>/cancel", rebasing.cancel, name="cancel_rebase"),
    # /w/<workspace>/views/save
    path("w/<slug:workspace>/views/save", saved.save_view, name="save_view"),
    # /w/<workspace>/views/7/delete
    path("w/<slug:workspace>/views/<int:view>/delete", saved.delete_view, name="delete_view"),
    # /w/<workspace>/environments/<name>/pin
    path("w/<slug:workspace>/environments/<word:name>/pin", saved.pin, name="pin"),
    # /w/<workspace>/environments/<name>/badge-keys
    path(
        "w/<slug:workspace>/environments/<word:name>/badge-keys", badge_keys.create, name="create_badge_key"
    ),
    # /w/<workspace>/environments/<name>/badge-keys/7/revoke
    path(
        "w/<slug:workspace>/environments/<word:name>/badge-keys/<int:key>/revoke",
        badge_keys.revoke,
        name="revoke_badge_key",
    ),
    # /w/<workspace>/chosen/compare
    path("w/<slug:workspace>/chosen/compare", bulk_actions.compare, name="compare_chosen"),
    # /w/<workspace>/chosen/build
    path("w/<slug:workspace>/chosen/build", bulk_actions.build, name="build_chosen"),
    # /w/<workspace>/chosen/archive
    path("w/<slug:workspace>/chosen/archive", bulk_actions.archive, name="archive_chosen"),
    # /w/<workspace>/compare/?a=<workspace>/<name>:<version>&b=<workspace>/<name>:<version>&format=json
    path("w/<slug:workspace>/compare/", in_section("environments", compare.compare), name="compare"),
    # /w/<workspace>/settings/azure/config.json
    path("w/<slug:workspace>/settings/azure/config.json", azure_page.config_file, name="azure_config"),
    # /w/<workspace>/settings/azure/authority.pem
    path(
        "w/<slug:workspace>/settings/azure/authority.pem", azure_page.authority_file, name="azure_authority"
    ),
    # /w/<workspace>/settings/limits
    path(
        "w/<slug:workspace>/settings/limits",
        in_section("settings", limits.change_limits),
        name="change_limits",
    ),
    # /w/<workspace>/first
    path("w/<slug:workspace>/first", first_build.first, name="first"),
    # /w/<workspace>/new/?from=<workspace>/<name>:<version>
    # /w/<workspace>/new/?source=packages&base=<image>&python=3.12&packages=numpy
    path("w/<slug:workspace>/new/", in_section("environments", defining_views.new), name="new"),
    # /w/<workspace>/complete?kind=pypi&q=num
    # /w/<workspace>/complete?kind=pypi&name=numpy
    # /w/<workspace>/complete?kind=base&q=slim
    path("w/<slug:workspace>/complete", completion_views.complete, name="complete"),
    # /w/<workspace>/environments/<name>/ignored
    path(
        "w/<slug:workspace>/environments/<word:name>/ignored",
        in_section("environments", ignoring.ignore),
        name="ignore_finding",
    ),
    # /w/<workspace>/check?from=<workspace>/<name>:<version>&next=1
    path("w/<slug:workspace>/check", defining_views.check, name="check"),
    # /w/<workspace>/environments/<name>/?tab=uses&kind=run&state=active&q=train&page=2
    path(
        "w/<slug:workspace>/environments/<word:name>/",
        in_section("environments", environments_views.environment),
        name="environment",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/?tab=details&use=dockerfile&edit=about
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/",
        in_section("environments", environments_views.version),
        name="version",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/describe
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/describe",
        in_section("environments", about.describe),
        name="describe",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/label/?label=prod
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/label/",
        in_section("environments", labels.label),
        name="label",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/name
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/name",
        in_section("environments", about.name_version),
        name="name_version",
    ),
    # /w/<workspace>/environments/<name>/uses/7/end
    path("w/<slug:workspace>/environments/<word:name>/uses/<int:use>/end", uses.end, name="end_use"),
    # /w/<workspace>/environments/<name>/versions/<version>/lock/<pylock|requirements|conda-explicit|cyclonedx|spdx>
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/lock/<slug:format>",
        environments_views.lock,
        name="lock",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/file
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/file",
        details.definition_file,
        name="definition_file",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/edit/
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/edit/",
        in_section("environments", defining_views.edit),
        name="edit",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/propose/
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/propose/",
        in_section("environments", propose.propose),
        name="propose",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/share/
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/share/",
        in_section("environments", sharing_views.share),
        name="share_version",
    ),
    # /w/<workspace>/shares/7/
    path(
        "w/<slug:workspace>/shares/<int:share>/",
        in_section("settings", sharing_views.received),
        name="share",
    ),
    # /w/<workspace>/shares/7/withdraw
    path(
        "w/<slug:workspace>/shares/<int:share>/withdraw",
        in_section("settings", sharing_views.take_back),
        name="withdraw_share",
    ),
    # /w/<workspace>/settings/opened
    path(
        "w/<slug:workspace>/settings/opened",
        in_section("settings", sharing_settings.change_opened),
        name="change_opened",
    ),
    # /w/<workspace>/settings/receiving
    path(
        "w/<slug:workspace>/settings/receiving",
        in_section("settings", sharing_settings.change_receiving),
        name="change_receiving",
    ),
    # /w/<workspace>/settings/policy/licence
    path(
        "w/<slug:workspace>/settings/policy/<slug:rule>",
        in_section("settings", policy_settings.change_rule),
        name="change_policy_rule",
    ),
    # /w/<workspace>/settings/policy/licence/rehearse
    path(
        "w/<slug:workspace>/settings/policy/<slug:rule>/rehearse",
        in_section("settings", policy_settings.rehearse_rule),
        name="rehearse_policy_rule",
    ),
    # /w/<workspace>/settings/exceptions/
    path(
        "w/<slug:workspace>/settings/exceptions/",
        in_section("settings", policy_settings.add_exception),
        name="add_policy_exception",
    ),
    # /w/<workspace>/settings/exceptions/<number>/remove
    path(
        "w/<slug:workspace>/settings/exceptions/<int:exception>/remove",
        policy_settings.remove_exception,
        name="remove_policy_exception",
    ),
    # /w/<workspace>/decisions/?advisory=CVE-2024-1234
    path(
        "w/<slug:workspace>/decisions/",
        in_section("exposed", triage.decisions),
        name="decisions",
    ),
    # /w/<workspace>/decisions/<number>/withdraw
    path(
        "w/<slug:workspace>/decisions/<int:decision>/withdraw",
        triage.withdraw_decision,
        name="withdraw_decision",
    ),
    # /w/<workspace>/decisions/vex.cdx.json
    path("w/<slug:workspace>/decisions/vex.cdx.json", triage.export_vex, name="export_vex"),
    # /w/<workspace>/decisions/import
    path(
        "w/<slug:workspace>/decisions/import",
        in_section("exposed", triage.import_vex),
        name="import_vex",
    ),
    # /w/<workspace>/settings/labels
    path(
        "w/<slug:workspace>/settings/labels",
        in_section("settings", sharing_settings.change_protected_labels),
        name="change_protected_labels",
    ),
    # /w/<workspace>/proposals/?state=waiting&q=torch&page=2
    path("w/<slug:workspace>/proposals/", in_section("review", proposals.proposals), name="proposals"),
    # /w/<workspace>/proposals/7/
    path(
        "w/<slug:workspace>/proposals/<int:proposal>/",
        in_section("review", proposals.proposal),
        name="proposal",
    ),
    # /w/<workspace>/proposals/7/decide
    path(
        "w/<slug:workspace>/proposals/<int:proposal>/decide",
        in_section("review", proposals.decide),
        name="decide",
    ),
    # /w/<workspace>/proposals/7/withdraw
    path(
        "w/<slug:workspace>/proposals/<int:proposal>/withdraw",
        in_section("review", proposals.withdraw),
        name="withdraw",
    ),
    # /w/<workspace>/proposals/7/build
    path("w/<slug:workspace>/proposals/<int:proposal>/build", proposals.build, name="build_proposed"),
    path("w/<slug:workspace>/proposals/<int:proposal>/try", proposals.try_image, name="try_proposed"),
    # /w/<workspace>/environments/<name>/deprecate/?version=3
    path(
        "w/<slug:workspace>/environments/<word:name>/deprecate/",
        in_section("environments", deprecations.deprecate),
        name="deprecate",
    ),
    # /w/<workspace>/deprecations/7/retire
    path("w/<slug:workspace>/deprecations/<int:deprecation>/retire", deprecations.retire, name="retire"),
    # /w/<workspace>/deprecations/7/keep
    path("w/<slug:workspace>/deprecations/<int:deprecation>/keep", deprecations.keep, name="keep"),
    path("api/v1/", include("studio.api.urls")),
    path("v2/", include("builds.distribution.urls")),
    path("", include("studio.azure.urls")),
    path("w/<slug:workspace>/", include("environments.urls")),
    path("w/<slug:workspace>/", include("builds.urls")),
]
