"""Prepare data in a running studio for browser tests: `python -m tests.browser.backstage`.

It works on the studio's own database, in a process of its own: a line of JSON says what, another what came of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import django

from tests.browser.failures import failed_build, failure, long_build
from tests.services.studio import ROOT, Studio

Hand = subprocess.Popen[str]
_hands: weakref.WeakKeyDictionary[Studio, Hand] = weakref.WeakKeyDictionary()


def ask(studio: Studio, what: str, *arguments: str) -> Any:
    """Have something done behind a studio, and return what it answers."""
    hand = _hands.get(studio) or _start(studio)
    assert hand.stdin
    assert hand.stdout
    hand.stdin.write(json.dumps([what, *arguments]) + "\n")
    hand.stdin.flush()
    answer = hand.stdout.readline()
    assert answer, f"The process behind the studio ended with {hand.wait()}."
    done = json.loads(answer)
    assert "problem" not in done, done["problem"]
    return done["answer"]


def _start(studio: Studio) -> Hand:
    """Start what serves all that is asked of one studio: to load Django takes longer than most of it."""
    command = [sys.executable, "-m", "tests.browser.backstage"]
    environment = {**studio.environment(), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    pipe = subprocess.PIPE
    hand = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)
    _hands[studio] = hand
    weakref.finalize(studio, _end, hand)
    return hand


def _end(hand: Hand) -> None:
    assert hand.stdin
    hand.stdin.close()
    hand.wait()


def main() -> None:
    """Do what is asked, line by line, and print what came of it."""
    django.setup()
    known: dict[str, Callable[..., object]] = {
        "link": link,
        "session": session,
        "version": version,
        "holding": holding,
        "proposed": proposed,
        "leaving": leaving,
        "use": use,
        "ways": ways,
        "building": building,
        "more": more,
        "failed_build": failed_build,
        "failure": failure,
        "long_build": long_build,
        "webhook": webhook,
        "ended": ended,
        "notice": notice,
        "wants_nothing": wants_nothing,
        "token": token,
        "answered": answered,
        "shared": shared,
        "nameless": nameless,
        "healing": healing,
    }
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        try:
            done = {"answer": known[what](*arguments)}
        except Exception:
            done = {"problem": traceback.format_exc()}
        print(json.dumps(done), flush=True)


def link(name: str, workspace: str = "", role: str = "OWNER") -> str:
    """Return a one-time link for a person, a member of this workspace."""
    from django.contrib.auth.models import User

    from environments.models import Member, Role
    from studio.preparation import login_path
    from tests.builds.scenarios import workspace_named

    user, _ = User.objects.get_or_create(username=name)
    if workspace:
        space = workspace_named(workspace)
        Member.objects.get_or_create(workspace=space, user=user, defaults={"role": Role[role]})
    return login_path(user)


def session(name: str, workspace: str) -> tuple[str, str]:
    """Sign a person in, an owner of this workspace; return the session's cookie and its value."""
    from django.conf import settings
    from django.test import Client

    link(name, workspace)
    client = Client()
    client.force_login(_person(name))
    return settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value


def shared(origin: str, workspace: str, name: str, message: str = "") -> int:
    """Send a built version to a workspace from another; return the number of the share."""
    from django.contrib.auth.models import User

    from builds.queue.requests import image_of
    from builds.review.sharing import share
    from tests.builds.scenarios import image_for, save_text

    version = save_text("numpy==2.1.3\nscipy==1.14.1\n", name=name, workspace=origin)
    if image_of(version) is None:
        image_for(version)
    sender, _ = User.objects.get_or_create(username="sara")
    return int(share(version, workspace, sender, message=message).pk)


def nameless(workspace: str, text: str) -> str:
    """Submit an anonymous version called `nameless`; return its page."""
    from environments.versions.anonymous import save_anonymous
    from environments.versions.input import read_input
    from tests.builds.scenarios import workspace_named

    saved = save_anonymous(workspace_named(workspace), read_input(text), version="nameless").version
    return f"/w/{workspace}/environments/{saved.environment}/versions/{saved.version}/"


def webhook(workspace: str, address: str) -> int:
    """Make a webhook with something to send, and tell a person of something; return the webhook's number."""
    from django.contrib.auth.models import User

    from environments.models import EventGroup, NoticeKind
    from environments.notifications.notices import notify
    from environments.notifications.webhooks import add_webhook, test_webhook
    from tests.builds.scenarios import workspace_named

    made, _ = add_webhook(workspace_named(workspace), address, EventGroup.values, None)
    test_webhook(made, None)
    notify(User.objects.all(), NoticeKind.DEPRECATION, "long-" * 60, "Take another.", address="/w/curated/")
    return made.pk


def version(workspace: str, name: str, text: str) -> str:
    """Save a requirements file as a version, and return its address."""
    from django.urls import reverse

    from tests.builds.scenarios import save_text

    made = save_text(text, name=name, workspace=workspace)
    return reverse("version", args=[workspace, name, made.version])


def use(workspace: str, name: str, kind: str, what: str) -> str:
    """Report that something uses the latest version of an environment."""
    from environments.models import Environment
    from environments.versions.uses import report_use

    environment = Environment.objects.get(workspace__name=workspace, name=name)
    version = environment.latest()
    assert version is not None
    link = "https://runs.example/1"
    return str(report_use(version, kind, what, workspace=environment.workspace, user=None, link=link).use.pk)


def ways(workspace: str, name: str, address: str) -> dict[str, str]:
    """Return what the page of a latest version gives to copy, by its key, and `token`: one that may read."""
    from builds.queue.requests import image_of
    from environments.models import Environment, Scope
    from environments.workspaces.tokens import create_token
    from studio.environments.how_to_use import snippets
    from tests.builds.scenarios import person

    version = Environment.objects.get(workspace__name=workspace, name=name).latest()
    assert version is not None
    secret = create_token(person("reader-of-ways", **{workspace: 1}), "ways", Scope.READ)[1]  # type: ignore[arg-type]
    texts = {item.key: item.text for item in snippets(version, image_of(version), address, "reader-of-ways")}
    return texts | {"token": secret}


def holding(workspace: str, name: str, *packages: str) -> str:
    """Save a version whose image holds these packages (name==version), the first of which needs the others."""
    from django.urls import reverse

    from builds.images.packages import save_packages
    from builds.imaging.lock import Lock
    from tests.builds.scenarios import image_for, save_text

    made = save_text(f"# {name}\n{packages[0]}\n", name=name, workspace=workspace)
    image = image_for(made)
    (like,) = Lock.model_validate(image.lock).packages
    first = packages[0].partition("==")[0]
    image.lock = Lock(
        packages=tuple(
            like.model_copy(
                update={
                    "name": item.partition("==")[0],
                    "version": item.partition("==")[2],
                    "requested": item == packages[0],
                    "needed_by": () if item == packages[0] else (first,),
                }
            )
            for item in packages
        )
    ).model_dump(mode="json")
    image.packages = len(packages)
    image.save()
    save_packages(image)
    return reverse("version", args=[workspace, name, made.version])


def healing(workspace: str, name: str) -> int:
    """Create an environment that an advisory affects and that has drifted, and a run that heals it; return the run."""
    from builds.models.healing import HealState
    from tests.builds.healing.examples import affected_environment, drifted, heal_item

    version = affected_environment(workspace)
    drifted(version, _person(name))
    return heal_item(version, HealState.READY).run_id


def proposed(workspace: str, name: str, by: str = "paul") -> str:
    """Propose a version that has an image for the catalogue, and return where it is reviewed."""
    from django.contrib.auth.models import User
    from django.urls import reverse

    from builds.queue.requests import image_of
    from environments.catalogue.proposals import propose
    from tests.builds.scenarios import image_for, save_text

    author, _ = User.objects.get_or_create(username=by)
    version = save_text(f"numpy==2.1.3\n# {name}\n", name=name, workspace=workspace, user=author)
    if image_of(version) is None:
        image_for(version)
    made = propose(
        version, author, name=f"AzureML-{name}", as_new=True, comment="Everybody asks for it. " * 20
    )
    return reverse("proposal", args=["curated", made.pk])


def leaving(name: str) -> str:
    """Deprecate a curated environment, and return its address."""
    from django.contrib.auth.models import User
    from django.urls import reverse
    from django.utils import timezone

    from environments.catalogue.deprecations import deprecate
    from tests.builds.scenarios import save_text

    paul, _ = User.objects.get_or_create(username="paul")
    version = save_text(f"six==1.16.0\n# {name}\n", name=name, workspace="curated")
    deprecate(version.environment, paul, on=timezone.localdate(), reason="Its Python ends. " * 20)
    return reverse("environment", args=["curated", name])


def building(workspace: str, name: str) -> str:
    """Return the address of a build that is under way and says nothing more."""
    from django.urls import reverse

    from builds.models import Build, BuildRequest
    from builds.models.steps import StepName
    from tests.builds.scenarios import claim_build, save_text

    wanted = save_text(f"{name}==1.0\n", name=name, workspace=workspace)
    # Without a message: the studio's own worker would race for it.
    space = wanted.environment.workspace
    build = Build.objects.create(workspace=space, version=wanted, hash=wanted.hash)
    BuildRequest.objects.create(workspace=space, version=wanted, build=build)
    with claim_build(build) as (_, reporter), reporter.step(StepName.RESOLVE):
        reporter.line("Resolving, and resolving")
        reporter.log.flush()
    return reverse("builds:build", args=[workspace, build.pk])


def more(address: str, text: str) -> str:
    """Add a line to the log of a build under way, and return it."""
    from builds.models import Build
    from builds.queue.claims import Claim

    build = Build.objects.get(pk=address.strip("/").split("/")[-1])
    assert build.claim is not None
    Claim(build.pk, build.claim, build.attempt).append(f"{text}\n", 1, "resolve")
    return text


def _person(name: str) -> Any:
    from django.contrib.auth.models import User

    return User.objects.get_or_create(username=name)[0]


def ended(name: str, workspace: str, first: str, many: str) -> int:
    """Play so many builds of a person's, every second of which fails; return how many notices are unread."""
    from builds.models import Build, BuildRequest
    from environments.notifications.inbox import notices_of
    from tests.builds.scenarios import claim_build, image_for, save_text

    user = _person(name)
    for number in range(int(first), int(first) + int(many)):
        wanted = save_text(f"ended-{number}==1.0\n", name=f"ended-{number}", workspace=workspace)
        space = wanted.environment.workspace
        build = Build.objects.create(workspace=space, version=wanted, hash=wanted.hash)
        BuildRequest.objects.create(workspace=space, version=wanted, build=build, user=user)
        with claim_build(build) as (claim, _):
            if number % 2:
                claim.fail("conflict", "They conflict.", "Choose.", "author", 1)
            else:
                claim.succeed(image_for(wanted), reused=False)
    return notices_of(user, unread=True).count()


def notice(name: str, subject: str, address: str) -> int:
    """Notify a person of something that they started; return its number."""
    from environments.models import NoticeKind
    from environments.notifications.notices import notify

    return notify([_person(name)], NoticeKind.PROPOSAL, subject, subject, address=address, own=True)[0].pk


def wants_nothing(name: str) -> str:
    """Have a person switch off every notification."""
    from environments.models import NoticeKind
    from environments.notifications.notices import save_preferences

    save_preferences(_person(name), email="", by_mail=False, kinds=set(), mailed_kinds=set())
    return str(len(NoticeKind))


def token(name: str) -> str:
    """Return a token of a person that may write."""
    from environments.models import Scope
    from environments.workspaces.tokens import create_token

    return create_token(_person(name), "api", Scope.WRITE)[1]


def answered(number: str, comment: str) -> str:
    """Have a curator ask for changes of a proposal."""
    from environments.catalogue import proposals
    from environments.models.catalogue import Proposal

    link("cora", "curated", "CONTRIBUTOR")
    proposal = Proposal.objects.get(pk=number)
    proposals.ask_for_changes(proposal, _person("cora"), comment)
    return str(proposal)


if __name__ == "__main__":
    main()
