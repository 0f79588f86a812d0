"""Connections: what goes in, who may, and that nothing comes out again (rules 42, 43, 44)."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries, Settings

from builds.logs.secrets import Secrets
from environments import encryption
from environments.connections.service import (
    ConnectionRefused,
    add_connection,
    delete_connection,
    replace_connection,
    workspace_logins,
)
from environments.models import Connection, Event, Role, Workspace
from environments.network.credentials import InvalidAddress, Login, Logins, normalize_address, url_of
from tests.builds.scenarios import browser_of, person

SECRET = 'Tr0ub4dor&3 "é" s3cret'
PAGE = "/w/lab/settings/?tab=connections"
ADD = "/w/lab/settings/connections/"


@pytest.fixture
def olga(db: None) -> Client:
    """An owner of the workspace `lab`."""
    return browser_of(person("olga", lab=Role.OWNER))


@pytest.fixture
def lab(olga: Client) -> Workspace:
    return Workspace.objects.get(name="lab")


@pytest.fixture
def kept(lab: Workspace) -> Connection:
    """A connection to a registry."""
    by = lab.members.get().user
    return add_connection(lab, "registry", "registry.example/team", "robot", SECRET, by)


def filled(**changes: str) -> dict[str, str]:
    fields = {"kind": "index", "address": "https://pypi.example/simple", "user": "robot", "password": SECRET}
    return {**fields, **changes}


def test_an_address_where_clouds_keep_passwords_is_refused_at_once(olga: Client) -> None:
    answer = olga.post(ADD, filled(kind="index", address="http://169.254.169.254/latest"))

    assert answer.status_code == 422
    assert "169.254.169.254 is link-local" in answer.content.decode()
    assert "STUDIO_ALLOW_ADDRESSES" in answer.content.decode()
    assert not Connection.objects.exists()


# Access


def test_an_owner_adds_replaces_and_deletes(olga: Client, lab: Workspace) -> None:
    """Rule 43: kept, used, and never shown again; each change is recorded without the secret."""
    made = olga.post(ADD, filled(), follow=True)
    row = Connection.objects.get()
    assert "https://pypi.example/simple" in made.content.decode()
    assert workspace_logins(lab).find("index", "https://pypi.example/simple/x/") == Login(
        "index", "https://pypi.example", "robot", SECRET
    )

    replaced = olga.post(f"{ADD}{row.pk}/replace", {"user": "ann", "password": "another one"}, follow=True)
    assert workspace_logins(lab).known == (Login("index", "https://pypi.example", "ann", "another one"),)

    deleted = olga.post(f"{ADD}{row.pk}/delete", follow=True)
    assert not Connection.objects.exists()
    for answer in (made, replaced, deleted, olga.get("/w/lab/activity/")):
        text = answer.content.decode()
        assert SECRET not in text
        assert escape(SECRET) not in text
        assert "another one" not in text
    events = list(Event.objects.order_by("pk").values_list("verb", "subject", "details"))
    assert events == [
        (f"connection.{what}", "https://pypi.example/simple", {"kind": "index"})
        for what in ("created", "replaced", "deleted")
    ]


def test_a_contributor_sees_that_it_exists_and_nothing_more(kept: Connection) -> None:
    client = browser_of(person("carla", lab=Role.CONTRIBUTOR))
    page = client.get(PAGE).content.decode()

    assert "registry.example/team" in page
    assert "robot" not in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
    assert client.post(ADD, filled()).status_code == 403
    for what in ("replace", "delete"):
        assert client.post(f"{ADD}{kept.pk}/{what}", {"user": "x", "password": "mine!"}).status_code == 403
    assert Connection.objects.get().sealed == kept.sealed


@pytest.mark.parametrize(("role", "status"), [(Role.READER, 403), (None, 404)])
def test_readers_and_strangers_do_not_see_them(kept: Connection, role: Role | None, status: int) -> None:
    client = browser_of(person("rita", **({"lab": role} if role else {"other": Role.OWNER})))

    assert client.get(PAGE).status_code == status
    assert client.post(ADD, filled()).status_code == status
    assert client.post(f"{ADD}{kept.pk}/delete").status_code == status
    assert Connection.objects.count() == 1


def test_the_owner_of_another_workspace_reaches_none_of_ours(kept: Connection) -> None:
    client = browser_of(person("otto", other=Role.OWNER))

    assert client.post(f"/w/other/settings/connections/{kept.pk}/delete").status_code == 404
    other = client.get(f"/w/other/settings/?tab=connections&change={kept.pk}").content.decode()
    assert kept.address not in other
    assert (
        client.post(
            f"/w/other/settings/connections/{kept.pk}/replace", {"user": "x", "password": "mine!"}
        ).status_code
        == 404
    )
    assert Connection.objects.get().sealed == kept.sealed


def test_the_page_asks_the_database_as_often_for_many_as_for_one(
    olga: Client, lab: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    by = lab.members.get().user
    for number in range(20):
        add_connection(lab, "channel", f"https://conda.example/{number}", "", SECRET, by)
    olga.get(PAGE)
    with django_assert_num_queries(10):
        assert olga.get(PAGE).content.count(b"https://conda.example/") >= 20


def test_a_tab_that_is_none_is_not_found(olga: Client) -> None:
    assert olga.get("/w/lab/settings/?tab=nonsense").status_code == 404
    assert olga.get("/w/lab/settings/").status_code == 200


# Storage


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "ftp"}, "kind"),
        ({"address": ""}, "address"),
        ({"address": "pypi.example/simple"}, "address"),
        ({"address": "file:///srv/simple"}, "address"),
        ({"address": f"https://robot:{SECRET}@pypi.example/simple"}, "address"),
        ({"address": "https://pypi.example/../simple"}, "address"),
        ({"address": "https://1.2.3.4.5/simple"}, "address"),
        ({"address": "https://pypi.example/simple?token=1"}, "address"),
        ({"address": "https://pypi.example/" + "x" * 400}, "address"),
        ({"kind": "channel", "address": "https://conda.example/t/abcdef/team"}, "address"),
        ({"kind": "registry", "address": "registry.example", "user": ""}, "user"),
        ({"user": "ro:bot"}, "user"),
        ({"user": "robot\r\nX-Other: 1"}, "user"),
        ({"password": ""}, "password"),
        ({"password": "abc"}, "password"),
        ({"password": "two\nlines"}, "password"),
        ({"password": "x" * 9000}, "password"),
    ],
)
def test_credentials_that_http_cannot_carry_are_refused_at_their_field(
    olga: Client, changes: dict[str, str], field: str
) -> None:
    """The form keeps what was typed, except the password."""
    fields = filled(**changes)
    answer = olga.post(ADD, fields)
    page = answer.content.decode()

    assert answer.status_code == 422
    assert answer.context["problem"].field == field
    assert 'role="alert"' in page
    assert not Connection.objects.exists()
    if field != "address":
        assert escape(fields["address"]) in page
        assert escape(SECRET) not in page


def test_an_address_has_one_connection(olga: Client, kept: Connection) -> None:
    fields = filled(kind="registry", address="https://Registry.example/team/")
    answer = olga.post(ADD, fields)

    assert answer.status_code == 422
    assert "There is a connection to registry.example/team already" in answer.content.decode()
    assert Connection.objects.count() == 1


def test_a_token_alone_is_sent_as_indexes_and_channels_expect_it(lab: Workspace) -> None:
    by = lab.members.get().user
    add_connection(lab, "index", "https://pypi.example/simple", "", "pypi-token", by)
    add_connection(lab, "channel", "https://conda.example/team", "", "conda-token", by)

    logins = workspace_logins(lab)
    index, channel = (
        logins.find(kind, url)
        for kind, url in [("index", "https://pypi.example/simple"), ("channel", "https://conda.example/team")]
    )
    assert index is not None
    assert channel is not None
    assert index.user == "__token__"
    assert channel.header == "Bearer conda-token"


def test_nothing_that_shows_an_object_shows_its_password(kept: Connection, lab: Workspace) -> None:
    logins = workspace_logins(lab)

    shown = f"{kept!r} {kept} {vars(kept)} {logins!r} {logins.known!r} {logins}"
    assert SECRET not in shown
    assert SECRET not in kept.sealed


# Keys


def test_keys_are_changed_without_losing_a_password(
    kept: Connection, lab: Workspace, settings: Settings
) -> None:
    old = settings.ENCRYPTION_KEYS[0]
    settings.ENCRYPTION_KEYS = ["n" * 40, old]
    assert workspace_logins(lab).secrets == (SECRET,)

    call_command("rotate_keys")

    settings.ENCRYPTION_KEYS = ["n" * 40]
    assert workspace_logins(lab).secrets == (SECRET,)
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(encryption.DecryptionError):
        workspace_logins(lab)


def test_keys_are_not_changed_half(kept: Connection, lab: Workspace, settings: Settings) -> None:
    by = lab.members.get().user
    old = list(settings.ENCRYPTION_KEYS)
    settings.ENCRYPTION_KEYS = ["o" * 40]
    add_connection(lab, "index", "https://z.example/simple", "", "of another key", by)
    before = sorted(Connection.objects.values_list("sealed", flat=True))
    settings.ENCRYPTION_KEYS = ["n" * 40, *old]

    with pytest.raises(CommandError, match="STUDIO_ENCRYPTION_KEYS; nothing was changed"):
        call_command("rotate_keys")

    assert sorted(Connection.objects.values_list("sealed", flat=True)) == before


# To whom they are shown


@pytest.mark.parametrize(
    ("kind", "address", "shown_to", "not_to"),
    [
        (
            "index",
            "https://pypi.example/a/simple",
            ["https://pypi.example/a/simple/x/", "https://pypi.example:443/a/files/x.whl"],
            [
                "http://pypi.example/a/simple/x/",
                "https://pypi.example:8443/a/simple/x/",
                "https://pypi.example/ab/simple/",
                "https://pypi.example/a/../b/simple/",
                "https://pypi.example/a/%2e%2e/b/",
                "https://pypi.example/a%2f..%2fb/",
                "https://pypi.example/a\\..\\b/",
                "https://pypi.example.evil.example/a/simple/",
                "https://pypi.example@evil.example/a/simple/",
                "https://evil.example/?https://pypi.example/a/simple/",
            ],
        ),
        (
            "registry",
            "docker.io/team",
            ["https://registry-1.docker.io/team/base"],
            ["https://registry-1.docker.io/teams/base", "https://docker.io/team/base"],
        ),
        ("registry", "127.0.0.1:5000", ["http://127.0.0.1:5000/a/b"], ["http://127.0.0.1:50/a/b"]),
        ("registry", "http://plain.example", ["http://plain.example/a"], ["https://plain.example/a"]),
        (
            "channel",
            "https://conda.example/team",
            ["https://conda.example/team/noarch"],
            ["https://conda.example/"],
        ),
    ],
)
def test_credentials_belong_to_their_address_alone(
    kind: str, address: str, shown_to: list[str], not_to: list[str]
) -> None:
    """Scheme, host, port and path decide; another kind of connection has nothing to do with it."""
    logins = Logins([Login(kind, url_of(kind, normalize_address(kind, address)), "robot", SECRET)])

    assert [url for url in shown_to if logins.find(kind, url) is None] == []
    assert [url for url in not_to if logins.find(kind, url) is not None] == []
    other = "index" if kind != "index" else "channel"
    assert logins.find(other, shown_to[0]) is None


def test_of_two_that_fit_the_more_particular_counts() -> None:
    outer = Login("index", "https://pypi.example/a", "outer", SECRET)
    inner = replace(outer, url="https://pypi.example/a/b", user="inner")

    assert Logins([outer, inner]).find("index", "https://pypi.example/a/b/simple") == inner
    assert Logins([inner, outer]).find("index", "https://pypi.example/a/c/simple") == outer


def test_what_proves_a_login_is_masked_in_every_form() -> None:
    """Rule 44."""
    login = Login("index", "https://pypi.example", "robot", SECRET)
    masks = Secrets(Logins([login]).secrets)

    for text in (login.password, login.header, login.within("https://pypi.example/simple")):
        masked = masks.masked(f"before {text} after")
        assert "s3cret" not in masked
        assert login.header.rpartition(" ")[2][12:-4] not in masked


def test_addresses_that_mean_the_same_are_kept_the_same() -> None:
    assert normalize_address("registry", "https://index.docker.io/v1/") == "docker.io"
    assert normalize_address("registry", "https://GHCR.io/Team/") == "ghcr.io/Team"
    assert normalize_address("index", "HTTPS://PyPI.example/Simple/") == "https://pypi.example/Simple"
    with pytest.raises(InvalidAddress):
        normalize_address("registry", "ghcr.io/team name")


def test_what_is_refused_says_so_without_the_secret(lab: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    by = lab.members.get().user
    with caplog.at_level(logging.DEBUG), pytest.raises(ConnectionRefused) as refused:
        add_connection(lab, "index", f"https://u:{SECRET}@pypi.example/simple", "", SECRET, by)

    assert SECRET not in f"{refused.value} {refused.value!r} {refused.value.help} {caplog.text}"


def test_deleting_and_replacing_are_recorded_for_the_person(lab: Workspace, kept: Connection) -> None:
    by = lab.members.get().user
    replace_connection(kept, "robot", "the next one", by)
    delete_connection(kept, by)

    last, before = Event.objects.all()[:2]
    assert [(event.verb, event.actor, event.workspace) for event in (before, last)] == [
        ("connection.replaced", by, lab),
        ("connection.deleted", by, lab),
    ]
