"""Request every URL with every method as every caller, and classify the responses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from builds.models import Advisory, Build, BuildRequest, Image, Rebase, RebaseState, Triage
from builds.models.healing import HealState
from environments.catalogue.deprecations import deprecate
from environments.catalogue.proposals import propose
from environments.connections.service import add_connection
from environments.models import BadgeKey, Member, Role, Scope, Share, Version
from environments.notifications.webhooks import add_webhook, test_webhook
from environments.versions.labels import set_label
from environments.versions.uses import report_use
from environments.workspaces.invitations import create_invitation
from environments.workspaces.tokens import create_token
from tests.access.expected import (
    API,
    EXPECTED,
    NO_SIGN_IN,
    NOT_BY_TOKEN,
    NOT_IN_THE_CATALOGUE,
    ONLY_IN_THE_CATALOGUE,
    OPEN_IN_THE_CATALOGUE,
    OUTSIDE_THE_FRAMEWORK,
    PAGES,
    READ_BY_POST,
    REGISTRY,
    WITHDRAWN_AT_HOME,
)
from tests.access.expected_azure import AZURE, AZURE_PUBLIC
from tests.access.levels import (
    ADMIN,
    ANYBODY,
    CONTRIBUTOR,
    MINE,
    NOBODY,
    OWNER,
    READER,
    RUNS_IT,
    SENT_ON,
    SIGNED,
    SIGNED_IN,
)
from tests.access.protection import missing
from tests.builds.distribution import basic, store_image
from tests.builds.healing.examples import affected_environment, heal_item
from tests.builds.scenarios import (
    browser_of,
    fail_build,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PASSWORD = "a long enough password"
RANKS = {READER: 1, CONTRIBUTOR: 2, OWNER: 3, ADMIN: 4}
# Each caller's rank in the workspace `lab` and in the catalogue
PEOPLE = {
    "anonymous": {},
    "stranger": {"lab": 0, "curated": 1},
    "reader": {"lab": 1, "curated": 1},
    "contributor": {"lab": 2, "curated": 1},
    "owner": {"lab": 3, "curated": 1},
    "curator": {"lab": 0, "curated": 2},
    "admin": {"lab": 4, "curated": 4},
}
SCOPES = {"token that pulls": Scope.PULL, "token that reads": Scope.READ, "token that writes": Scope.WRITE}
CALLERS = (*PEOPLE, *SCOPES)
# In the catalogue, members of `lab` are strangers with a role elsewhere: the owner's covers the lesser ones.
SAME_IN_THE_CATALOGUE = {"reader", "contributor"}

IN, SIGN_IN, REFUSED, HIDDEN, NO_METHOD = "in", "sign in", "refused", "hidden", "no such method"


@dataclass(frozen=True, order=True)
class Cell:
    """A request: its caller, method and route."""

    route: str
    method: str
    caller: str
    workspace: str  # empty where the address names none


def routes() -> list[str]:
    """Return every route of the studio, as its URL files write it."""

    def below(resolver: URLResolver, before: str) -> Iterator[str]:
        for pattern in resolver.url_patterns:
            route = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from below(pattern, route)
            else:
                yield route

    route_list: list[str] = []
    for route in below(get_resolver(), ""):
        # A route that matches everything below it is written as its beginning.
        route_list.append(f"{route}…" if route in route_list else route)
    return route_list


def cells() -> list[Cell]:
    """Return all cells of the table.

    Methods that a route does not have are requested in one workspace only, by those with most rights: what refuses them
    refuses everybody. Pages are requested by the token with most rights only.
    """
    rows = []
    for route in routes():
        callers = (*PEOPLE, "token that writes") if route in PAGES else CALLERS
        placed = "workspace>" in route or "?P<name>" in route or "?P<registry>" in route
        known = EXPECTED.get(route, {})
        for workspace in ("lab", "curated") if placed else ("",):
            methods = tuple(known) if workspace == "curated" else METHODS
            rows += [
                Cell(route, method, caller, workspace)
                for method in methods
                for caller in (callers if method in known else ["admin"])
                if workspace != "curated" or caller not in SAME_IN_THE_CATALOGUE
            ]
    return rows


def expected(cell: Cell) -> str:
    """Return the expected outcome of a request, by the table written by hand."""
    methods = EXPECTED[cell.route]
    token = SCOPES.get(cell.caller)
    programs = cell.route in API or cell.route in AZURE
    rest = programs and cell.route not in OUTSIDE_THE_FRAMEWORK and cell.route not in AZURE_PUBLIC
    if cell.route in PAGES and token is not None:
        token, caller = None, "anonymous"  # pages know sessions only
    else:
        caller = "owner" if token is not None else cell.caller
    if rest and caller == "anonymous":
        return SIGN_IN
    if cell.method not in methods and not rest:
        return NO_METHOD
    level = methods.get(cell.method, "")
    if cell.route in OPEN_IN_THE_CATALOGUE and cell.workspace == "curated":
        return IN
    if level in (ANYBODY, NOBODY):
        return IN if level == ANYBODY else HIDDEN
    if level == SIGNED:
        return REFUSED
    if level == SENT_ON:
        return NO_METHOD if caller == "anonymous" else IN
    if token is not None and programs:
        sends = cell.method != "GET" and cell.route not in READ_BY_POST
        if (
            token == Scope.PULL
            or (token == Scope.READ and sends)
            or (token == Scope.READ and RANKS.get(level, 0) > RANKS[READER])  # it makes a reader of its owner
            or (cell.route, cell.method) in NOT_BY_TOKEN
        ):
            return REFUSED
    if not level:
        return NO_METHOD
    if cell.route in REGISTRY and cell.workspace == "curated":
        return IN  # everybody may pull the catalogue's images
    if caller == "anonymous":
        return HIDDEN if cell.route in NO_SIGN_IN else SIGN_IN
    if level == SIGNED_IN:
        return IN
    if level == RUNS_IT:
        return IN if caller == "admin" else REFUSED
    if level == MINE:
        return IN if caller == "owner" else HIDDEN
    rank = PEOPLE[caller][cell.workspace]
    if token == Scope.READ:
        rank = min(rank, RANKS[READER])  # nobody is more than a reader by it
    elsewhere = NOT_IN_THE_CATALOGUE if cell.workspace == "curated" else ONLY_IN_THE_CATALOGUE
    if rank == 0 or cell.route in elsewhere:
        return HIDDEN
    if rank < RANKS[level]:
        return REFUSED
    return HIDDEN if cell.workspace == "curated" and cell.route in WITHDRAWN_AT_HOME else IN


@dataclass
class Studio:
    """A studio with an example of everything in `lab` and in the catalogue, and everybody who may come."""

    client: Client = field(default_factory=Client)  # shared: each client loads the middleware again
    there: dict[str, dict[str, str]] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    bearers: dict[str, str] = field(default_factory=dict)  # a token that writes, for each person
    proposal: str = ""
    lacks: list[str] = field(default_factory=list)  # the protection that responses lacked
    pages: int = 0

    @classmethod
    def filled(cls) -> Studio:
        studio = cls()
        roles = {role.label: role for role in Role}
        for name in PEOPLE.keys() - {"anonymous"}:
            curates = {"curated": Role.CONTRIBUTOR} if name == "curator" else {}
            user = person(name, **({"lab": roles[name]} if name in roles else curates))
            user.is_superuser = name == "admin"
            user.save()
            studio.bearers[name] = create_token(user, "azure", Scope.WRITE)[1]
            studio.sessions[name] = browser_of(user).cookies[settings.SESSION_COOKIE_NAME].value
            if name == "owner":
                made = {word: create_token(user, word, scope) for word, scope in SCOPES.items()}
                studio.secrets = {word: secret for word, (_, secret) in made.items()}
                token = create_token(user, "another", Scope.READ)[0]
        person("mia", lab=Role.READER, curated=Role.READER)
        store = BlobStore(settings.STORE)
        manifest = store_image(store, b"\0" * 1024)
        for workspace, name in (("lab", "forecast"), ("curated", "AzureML-forecast")):
            version = save_text("numpy==2.1.3", name=name, workspace=workspace)
            image = succeed_build(queue_build(version))
            Image.objects.filter(pk=image.pk).update(digest=manifest.digest, layers=[])
            broken = save_text("nunpy==2.1.3", name=name, workspace=workspace)
            build = queue_build(broken)
            fail_build(build)
            studio.there[workspace] = facts(version, build, image, manifest) | {"token": str(token.pk)}
            set_label(broken, "prod", user=None)
            workspace_row = version.environment.workspace
            badge_key = BadgeKey.objects.create(environment=version.environment, name="README")
            studio.there[workspace]["key"] = str(badge_key.pk)
            workspace_row.opened = not workspace_row.curated
            workspace_row.save()
            by = workspace_row.members.get(role=Role.OWNER if workspace == "lab" else Role.CONTRIBUTOR).user
            to = "lab" if workspace_row.curated else "other"
            sent = Share.objects.create(
                workspace=workspace_row,
                target=workspace_row,
                version=version,
                to=to,
                digest=image.digest,
                name="shared",
                shared_by=by,
            )
            studio.there[workspace]["share"] = str(sent.pk)
            ready = {"base": "host", "target": "host", "state": RebaseState.READY}
            studio.there[workspace]["rebase"] = str(
                Rebase.objects.create(workspace=workspace_row, **ready).pk
            )
            home = None
            if workspace_row.curated:  # curators propose from workspaces of their own
                home = workspace_named("desk")
                Member.objects.create(workspace=home, user=by, role=Role.CONTRIBUTOR)
            prefix = "AzureML-" if workspace_row.curated else ""
            affected = affected_environment(workspace, f"{prefix}affected")
            item = heal_item(affected, HealState.READY, home)
            studio.there[workspace] |= {
                "run": str(item.run_id),
                "item": str(item.pk),
                "affected": str(affected.environment_id),
            }
            if workspace_row.curated:
                leaving = deprecate(version.environment, by, on=timezone.localdate(), reason="A hole.")
                studio.there[workspace]["deprecation"] = str(leaving.pk)
            else:
                better = propose(broken, by, name="AzureML-better", as_new=True, comment="It is better.")
                studio.proposal = str(better.pk)
            kept = add_connection(
                workspace_row, "index", f"https://{workspace}.example", "robot", "a secret", by
            )
            studio.there[workspace]["connection"] = str(kept.pk)
            use = report_use(version, "run", "train-41", workspace=workspace_row, user=by, active=False).use
            studio.there[workspace]["use"] = str(use.pk)
            advisory = Advisory.objects.get_or_create(key="CVE-2024-1")[0]
            decision = Triage.objects.create(
                advisory=advisory, environment=version.environment, state="pending", reason="Looking.", by=by
            )
            studio.there[workspace]["decision"] = str(decision.pk)
            exempt = workspace_row.policy_exceptions.create(kind="package", subject="numpy", reason="Ours.")
            studio.there[workspace]["exception"] = str(exempt.pk)
            hook = add_webhook(workspace_row, f"https://{workspace}.example/hook", ["settings"], by)[0]
            studio.there[workspace]["webhook"] = str(hook.pk)
            studio.there[workspace]["invitation"] = str(
                create_invitation(workspace_row, Role.READER, by)[0].pk
            )
            studio.there[workspace]["delivery"] = str(test_webhook(hook, by).pk)
        return studio

    def answer(self, cell: Cell) -> str:
        """Send the request, roll back its changes, and note what the response lacks."""
        headers = {}
        client = self.client
        as_json = cell.route in API or cell.route in AZURE
        client.cookies.clear()
        if cell.route in REGISTRY and cell.caller in PEOPLE and cell.caller != "anonymous":
            headers["Authorization"] = basic(cell.caller, PASSWORD)
        elif cell.route in REGISTRY and cell.caller in SCOPES:
            headers["Authorization"] = basic("owner", self.secrets[cell.caller])
        elif cell.caller in SCOPES:
            headers["Authorization"] = f"Bearer {self.secrets[cell.caller]}"
        elif cell.route in AZURE and cell.caller in self.bearers:
            headers["Authorization"] = f"Bearer {self.bearers[cell.caller]}"
        elif cell.caller != "anonymous":
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[cell.caller]
        with transaction.atomic():
            response = client.generic(
                cell.method, self.path(cell), "{}" if as_json else "user=mia", "application/json" if as_json else
                "application/x-www-form-urlencoded", headers=headers
            )  # fmt: skip
            transaction.set_rollback(True)
        of = f"{cell.method} /{cell.route} as {cell.caller} ({response.status_code})"
        self.lacks += [f"{of}: {what}" for what in missing(response)]
        self.pages += response.headers.get("Content-Type", "").startswith("text/html")
        response.close()
        where = response.headers.get("Location", "")
        if response.status_code == 401 or (response.status_code == 302 and where.startswith("/login/?next=")):
            return SIGN_IN
        return {403: REFUSED, 404: HIDDEN, 405: NO_METHOD}.get(response.status_code, IN)

    def path(self, cell: Cell) -> str:
        """Return the address with what is there in its places."""
        there = {"proposal": self.proposal, "deprecation": "0"} | self.there[cell.workspace or "lab"]
        filled = cell.route.replace("v2/…", "v2/_catalog").replace(r"(?P<path>[\s\S]*)", "nowhere/")
        filled = filled.replace("(?P<name>.+)", there["repository"])
        filled = filled.replace("\\.", ".")
        filled = filled.replace("docs/<slug:name>", "docs/running")
        filled = re.sub(r"\(\?P<(\w+)>[^)]*\)|<\w+:(\w+)>", lambda match: there[match[1] or match[2]], filled)
        return "/" + filled.replace("^", "").replace("$", "")


def facts(version: Version, build: Build, image: Image, manifest: Descriptor) -> dict[str, str]:
    """Return the names that addresses hold."""
    workspace_row = version.environment.workspace
    return {
        "workspace": workspace_row.name,
        "registry": "azureml" if workspace_row.curated else workspace_row.name,
        "name": version.environment.name,
        "subject": "numpy",  # in its image
        "curated": "AzureML-forecast",
        "version": version.version,
        "build": str(build.pk),
        "digest": manifest.digest,
        "reference": "latest",
        "repository": f"{workspace_row.name}/{image.repository}",
        "format": "pylock",
        "label": "prod",
        "rule": "licence",
        "uid": "x",
        "tenant": "common",
        "subscription": "any",
        "group": "any",
        "datastore": "workspaceblobstore",
        "account": "lab.blob.core.windows.net",
        "container": f"azureml-blobstore-{'0' * 36}",
        "compute": "cluster",
        "number": str(BuildRequest.objects.filter(version=version).latest("pk").pk),
        "user": "mia",  # a member of both, who never calls
        "token": "0",
        "secret": "x" * 43,
        "view": "0",
        "other": uuid.uuid4().hex,
    }
