"""The addresses of the doors, and of the pages that show environments and builds at once."""

from django.contrib.auth import views as auth
from django.urls import path

from environments import (
    converters,  # noqa: F401 (it makes <word:…> known)
    events_views,
)
from studio.views import (
    about,
    account,
    chosen,
    compare,
    complete,
    define,
    deprecations,
    doors,
    environments,
    limits,
    news,
    notifications,
    operations,
    proposals,
    proposing,
    provider,
    uses,
    workspaces,
)

urlpatterns = [
    # /healthz
    path("healthz", operations.healthz, name="healthz"),
    # /readyz
    path("readyz", operations.readyz, name="readyz"),
    # /metrics
    path("metrics", operations.metrics_page, name="metrics"),
    # /
    path("", doors.home, name="home"),
    # /login/?next=/w/<workspace>/builds/
    path("login/", doors.SignIn.as_view(), name="login"),
    # /login/provider/?next=/w/<workspace>/builds/
    path("login/provider/", provider.go, name="provider"),
    # /login/provider/back/?code=<code>&state=<state>
    path("login/provider/back/", provider.back, name="provider-back"),
    # /login/<uid>/<token>/
    path("login/<str:uid>/<str:token>/", doors.one_time, name="login-once"),
    # /logout/
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    # /account/tokens/
    path("account/tokens/", account.tokens, name="tokens"),
    # /account/tokens/<number>/revoke
    path("account/tokens/<int:token>/revoke", account.revoke, name="revoke-token"),
    # /account/notifications/
    path("account/notifications/", notifications.notifications, name="notifications"),
    # /account/password/
    path("account/password/", account.password, name="password"),
    # /activity/?who=ann&what=settings&workspace=lab&since=2026-11-01&until=2026-11-30&page=2
    path("activity/", events_views.everywhere, name="everywhere"),
    # /activity/events.jsonl?workspace=:none
    path("activity/events.jsonl", events_views.export_everywhere, name="export_everywhere"),
    # /news/put-away
    path("news/put-away", news.put_away, name="put-away"),
    # /theme/
    path("theme/", doors.theme, name="theme"),
    # /workspaces/new/
    path("workspaces/new/", workspaces.new_workspace, name="new_workspace"),
    # /w/<workspace>/settings/title
    path("w/<slug:workspace>/settings/title", workspaces.rename, name="rename_workspace"),
    # /language/
    path("language/", doors.language, name="language"),
    # /w/<workspace>/environments/?tab=curated&q=torch&archived=1&sort=-changed&page=2
    path("w/<slug:workspace>/environments/", environments.environments, name="environments"),
    # /w/<workspace>/chosen/compare
    path("w/<slug:workspace>/chosen/compare", chosen.compare, name="compare_chosen"),
    # /w/<workspace>/chosen/build
    path("w/<slug:workspace>/chosen/build", chosen.build, name="build_chosen"),
    # /w/<workspace>/chosen/archive
    path("w/<slug:workspace>/chosen/archive", chosen.archive, name="archive_chosen"),
    # /w/<workspace>/compare/?a=<workspace>/<name>:<version>&b=<workspace>/<name>:<version>&format=json
    path("w/<slug:workspace>/compare/", compare.compare, name="compare"),
    # /w/<workspace>/settings/limits
    path("w/<slug:workspace>/settings/limits", limits.change_limits, name="change_limits"),
    # /w/<workspace>/first
    path("w/<slug:workspace>/first", environments.first, name="first"),
    # /w/<workspace>/new/?from=<workspace>/<name>:<version>
    # /w/<workspace>/new/?source=packages&base=<image>&python=3.12&packages=numpy
    path("w/<slug:workspace>/new/", define.new, name="new"),
    # /w/<workspace>/complete?kind=pypi&q=num
    # /w/<workspace>/complete?kind=pypi&name=numpy
    # /w/<workspace>/complete?kind=base&q=slim
    path("w/<slug:workspace>/complete", complete.complete, name="complete"),
    # /w/<workspace>/check?from=<workspace>/<name>:<version>&next=1
    path("w/<slug:workspace>/check", define.check, name="check"),
    # /w/<workspace>/environments/<name>/?tab=uses&kind=run&state=active&q=train&page=2
    path("w/<slug:workspace>/environments/<word:name>/", environments.environment, name="environment"),
    # /w/<workspace>/environments/<name>/versions/<version>/?tab=details&use=dockerfile&edit=about
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/",
        environments.version,
        name="version",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/describe
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/describe",
        about.describe,
        name="describe",
    ),
    # /w/<workspace>/environments/<name>/uses/7/end
    path("w/<slug:workspace>/environments/<word:name>/uses/<int:use>/end", uses.end, name="end_use"),
    # /w/<workspace>/environments/<name>/versions/<version>/lock/<pylock|requirements|conda-explicit|cyclonedx|spdx>
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/lock/<slug:format>",
        environments.lock,
        name="lock",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/edit/
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/edit/", define.edit, name="edit"
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/propose/
    path(
        "w/<slug:workspace>/environments/<word:name>/versions/<word:version>/propose/",
        proposing.propose,
        name="propose",
    ),
    # /w/<workspace>/proposals/?state=waiting&q=torch&page=2
    path("w/<slug:workspace>/proposals/", proposals.proposals, name="proposals"),
    # /w/<workspace>/proposals/7/
    path("w/<slug:workspace>/proposals/<int:proposal>/", proposals.proposal, name="proposal"),
    # /w/<workspace>/proposals/7/decide
    path("w/<slug:workspace>/proposals/<int:proposal>/decide", proposals.decide, name="decide"),
    # /w/<workspace>/proposals/7/withdraw
    path("w/<slug:workspace>/proposals/<int:proposal>/withdraw", proposals.withdraw, name="withdraw"),
    # /w/<workspace>/proposals/7/build
    path("w/<slug:workspace>/proposals/<int:proposal>/build", proposals.build, name="build_proposed"),
    path("w/<slug:workspace>/proposals/<int:proposal>/try", proposals.try_image, name="try_proposed"),
    # /w/<workspace>/environments/<name>/deprecate/?version=3
    path("w/<slug:workspace>/environments/<word:name>/deprecate/", deprecations.deprecate, name="deprecate"),
    # /w/<workspace>/deprecations/7/retire
    path("w/<slug:workspace>/deprecations/<int:deprecation>/retire", deprecations.retire, name="retire"),
    # /w/<workspace>/deprecations/7/keep
    path("w/<slug:workspace>/deprecations/<int:deprecation>/keep", deprecations.keep, name="keep"),
]
