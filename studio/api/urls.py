"""The addresses of the API, below /api/v1/."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from environments import converters  # noqa: F401 (it makes <word:…> known)
from studio.api import (
    activity,
    answers,
    builds,
    cleaning,
    deprecations,
    environments,
    events,
    packages,
    proposals,
    tools,
    uses,
    webhooks,
    workspaces,
)

ENVIRONMENT = "workspaces/<slug:workspace>/environments/<word:name>/"
VERSION = f"{ENVIRONMENT}versions/<word:version>/"
BUILD = "workspaces/<slug:workspace>/builds/<uuid:build>/"
WEBHOOKS = "workspaces/<slug:workspace>/webhooks/"
PROPOSAL = "workspaces/<slug:workspace>/proposals/<int:proposal>/"
ADDRESSES = {
    # What needs no workspace
    "me/": tools.ROUTES["me"],
    "findings/": tools.ROUTES["findings"],
    "diff/": tools.ROUTES["diff"],
    "packages/": packages.ROUTES["packages"],
    "events/": activity.ROUTES["all"],
    "events/export/": activity.ROUTES["export-all"],
    "tokens/": tools.ROUTES["tokens"],
    "tokens/<int:token>/": tools.ROUTES["token"],
    # Workspaces
    "workspaces/": workspaces.ROUTES["workspaces"],
    "workspaces/<slug:workspace>/": workspaces.ROUTES["workspace"],
    "workspaces/<slug:workspace>/members/": workspaces.ROUTES["members"],
    "workspaces/<slug:workspace>/members/<str:user>/": workspaces.ROUTES["member"],
    "workspaces/<slug:workspace>/events/": activity.ROUTES["events"],
    "workspaces/<slug:workspace>/events/export/": activity.ROUTES["export"],
    WEBHOOKS: webhooks.ROUTES["webhooks"],
    f"{WEBHOOKS}<int:webhook>/": webhooks.ROUTES["webhook"],
    f"{WEBHOOKS}<int:webhook>/secret/": webhooks.ROUTES["secret"],
    f"{WEBHOOKS}<int:webhook>/test/": webhooks.ROUTES["test"],
    f"{WEBHOOKS}<int:webhook>/deliveries/": webhooks.ROUTES["deliveries"],
    f"{WEBHOOKS}<int:webhook>/deliveries/<uuid:delivery>/again/": webhooks.ROUTES["again"],
    # Environments and versions
    "workspaces/<slug:workspace>/environments/": environments.ROUTES["environments"],
    ENVIRONMENT: environments.ROUTES["environment"],
    f"{ENVIRONMENT}archive/": environments.ROUTES["archive"],
    f"{ENVIRONMENT}restore/": environments.ROUTES["restore"],
    f"{ENVIRONMENT}versions/": environments.ROUTES["versions"],
    VERSION: environments.ROUTES["version"],
    f"{VERSION}archive/": environments.ROUTES["archive-version"],
    f"{VERSION}restore/": environments.ROUTES["restore-version"],
    f"{VERSION}definition/": environments.ROUTES["definition"],
    # What uses them
    f"{ENVIRONMENT}uses/": uses.ROUTES["uses"],
    f"{VERSION}uses/": uses.ROUTES["uses-of-version"],
    # The catalogue: what is proposed for it, what is to go from it
    f"{VERSION}propose/": proposals.ROUTES["propose"],
    "workspaces/<slug:workspace>/proposals/": proposals.ROUTES["proposals"],
    PROPOSAL: proposals.ROUTES["proposal"],
    f"{PROPOSAL}approve/": proposals.ROUTES["approve"],
    f"{PROPOSAL}ask-for-changes/": proposals.ROUTES["ask-for-changes"],
    f"{PROPOSAL}refuse/": proposals.ROUTES["refuse"],
    f"{PROPOSAL}withdraw/": proposals.ROUTES["withdraw"],
    f"{PROPOSAL}build/": proposals.ROUTES["build-proposed"],
    f"{PROPOSAL}try/": proposals.ROUTES["try-proposed"],
    "workspaces/<slug:workspace>/deprecations/": deprecations.ROUTES["deprecations"],
    f"{ENVIRONMENT}deprecation/": deprecations.ROUTES["deprecation"],
    f"{ENVIRONMENT}retire/": deprecations.ROUTES["retire"],
    # Builds and images
    f"{VERSION}builds/": builds.ROUTES["ask"],
    f"{VERSION}packages/": builds.ROUTES["packages"],
    f"{VERSION}lock/": builds.ROUTES["lock"],
    "workspaces/<slug:workspace>/builds/": builds.ROUTES["builds"],
    BUILD: builds.ROUTES["build"],
    f"{BUILD}cancel/": builds.ROUTES["cancel"],
    f"{BUILD}stop/": builds.ROUTES["stop"],
    f"{BUILD}retry/": builds.ROUTES["retry"],
    f"{BUILD}log/": builds.ROUTES["log"],
    "workspaces/<slug:workspace>/images/": builds.ROUTES["images"],
    "workspaces/<slug:workspace>/images/clean-up/": cleaning.ROUTES["clean-up"],
    "workspaces/<slug:workspace>/images/<str:digest>/": builds.ROUTES["image"],
}

app_name = "api"
urlpatterns = [
    *(path(address, view) for address, view in ADDRESSES.items()),
    # A stream of events is no answer that the framework could give; docs/api.md describes it.
    path(f"{BUILD}events/", events.stream),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api:schema", template_name="studio/api_docs.html"),
        name="docs",
    ),
    re_path(r"^(?P<path>[\s\S]*)$", answers.nowhere),
]
