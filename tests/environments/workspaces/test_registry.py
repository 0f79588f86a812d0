"""Settings → Registry: the address that images are pushed to, anonymous pulls, and access."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from environments.models import Event, Role, Workspace
from environments.network.policy import EgressPolicy
from environments.workspaces.registry import bytecode_of, compression_of, import_test_of
from studio.configuration import read_compression
from tests.builds.scenarios import browser_of, person, workspace_named

pytestmark = pytest.mark.django_db

PAGE = "/w/lab/settings/?tab=registry"
REGISTRY = "/w/lab/settings/registry"
PULL = "/w/lab/settings/pull"


@pytest.fixture
def olga() -> Client:
    """An owner of the workspace `lab`."""
    return browser_of(person("olga", lab=Role.OWNER))


def lab() -> Workspace:
    return Workspace.objects.get(name="lab")


def message_after(client: Client, address: str, **typed: str) -> str:
    return str(client.post(address, typed, follow=True).content.decode())


def test_an_owner_sets_changes_and_removes_the_registry_with_a_message_each(olga: Client) -> None:
    assert "also pushed to registry.example.com/ml" in message_after(
        olga, REGISTRY, registry=" registry.example.com/ml "
    )
    assert lab().registry == "registry.example.com/ml"
    assert "No changes to save" in message_after(olga, REGISTRY, registry="registry.example.com/ml")
    assert "Registry removed" in message_after(olga, REGISTRY, registry="")
    assert lab().registry == ""

    assert list(Event.objects.order_by("pk").values_list("verb", "actor__username", "before", "after")) == [
        ("workspace.registry", "olga", {"registry": ""}, {"registry": "registry.example.com/ml"}),
        ("workspace.registry", "olga", {"registry": "registry.example.com/ml"}, {"registry": ""}),
    ]
    assert "none → registry.example.com/ml" in olga.get("/w/lab/activity/").content.decode()


@pytest.mark.parametrize(
    "wrong",
    ["https://registry.example.com", "just-a-name", "u:pw@h.com/x", "h.com/" + "a" * 300, "1.2.3.4.5/x"],
)
def test_what_is_no_address_of_a_registry_is_refused_and_stays_to_be_corrected(
    olga: Client, wrong: str
) -> None:
    answer = olga.post(REGISTRY, {"registry": wrong})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert f'value="{wrong}"' in page
    assert lab().registry == ""
    assert not Event.objects.exists()


def test_a_registry_inside_the_network_is_refused_where_members_may_not_send_the_studio(
    olga: Client, settings: Settings
) -> None:
    settings.EGRESS_POLICY = EgressPolicy()

    answer = olga.post(REGISTRY, {"registry": "10.0.0.7:5000/ml"})

    assert answer.status_code == 422
    assert "10.0.0.7 is of a private network" in answer.content.decode()
    assert "STUDIO_ALLOW_ADDRESSES" in answer.content.decode()
    assert lab().registry == ""


def test_an_owner_chooses_which_modules_are_compiled_or_leaves_it_to_the_studio(olga: Client) -> None:
    change = "/w/lab/settings/bytecode"

    assert "Bytecode of new images: all modules" in message_after(olga, change, bytecode="all")
    assert lab().bytecode == "all"
    assert "No changes to save" in message_after(olga, change, bytecode="all")
    assert "“some” is no choice for bytecode. Choose one of imported, all, none" in message_after(
        olga, change, bytecode="some"
    )
    assert lab().bytecode == "all"
    assert "Bytecode of new images: imported modules" in message_after(olga, change, bytecode="")
    assert bytecode_of(lab()) == "imported"


def test_an_owner_switches_the_import_test_or_leaves_it_to_the_studio(olga: Client) -> None:
    change = "/w/lab/settings/import-test"

    assert "are imported once" in message_after(olga, change, import_test="on")
    assert import_test_of(lab()) == "on"
    assert "is no choice for import-test" in message_after(olga, change, import_test="maybe")
    message_after(olga, change, import_test="")
    assert import_test_of(lab()) == "off"  # the studio's choice in tests


def test_everybody_may_pull_only_where_an_owner_says_so(olga: Client) -> None:
    image = "/v2/lab/azureml/azureml_x/tags/list"
    assert Client().get(image).status_code == 401
    assert "Anyone can now pull" in message_after(olga, PULL, anonymous_pull="on")
    assert Client().get(image).status_code == 404  # it is looked for now
    assert "Only members can now pull" in message_after(olga, PULL)
    assert Client().get(image).status_code == 401
    assert [(event.before, event.after) for event in Event.objects.filter(verb="workspace.pull")] == [
        ({"anonymous_pull": True}, {"anonymous_pull": False}),
        ({"anonymous_pull": False}, {"anonymous_pull": True}),
    ]


@pytest.mark.parametrize(
    ("role", "seen", "changed"), [(Role.CONTRIBUTOR, 200, 403), (Role.READER, 403, 403), (None, 404, 404)]
)
def test_contributors_see_it_and_only_owners_change_it(role: Role | None, seen: int, changed: int) -> None:
    workspace_named("lab")
    client = browser_of(person("carl", **({"lab": role} if role else {"other": Role.OWNER})))
    page = client.get(PAGE)
    assert page.status_code == seen
    assert "<form" not in page.content.decode().partition("<main")[2].partition("</main>")[0]
    for address in (REGISTRY, PULL):
        typed = {"registry": "h.com/ml", "anonymous_pull": "on"}
        assert client.post(address, typed).status_code == changed
        assert client.get(address).status_code == 405
    assert (lab().registry, lab().anonymous_pull) == ("", False)


# Compression

COMPRESSION = "/w/lab/settings/compression"


def test_an_owner_chooses_the_compression_and_gives_it_back_to_the_studio(
    olga: Client, settings: Settings
) -> None:
    settings.COMPRESSION = "gzip"
    page = olga.get(PAGE).content.decode()
    assert "s: gzip</option>" in page
    assert "Docker Engine 23, containerd 1.5, podman 4" in page

    assert "compressed with gzip and zstd" in message_after(olga, COMPRESSION, compression="both")
    assert lab().compression == "both"
    assert '<option value="both" selected>' in olga.get(PAGE).content.decode()
    assert "No changes to save" in message_after(olga, COMPRESSION, compression="both")
    settings.COMPRESSION = "zstd"
    assert "compressed with zstd" in message_after(olga, COMPRESSION, compression="")

    assert compression_of(lab()) == "zstd"
    events = Event.objects.filter(verb="workspace.compression").order_by("pk")
    assert list(events.values_list("before", "after")) == [
        ({"compression": ""}, {"compression": "both"}),
        ({"compression": "both"}, {"compression": ""}),
    ]
    assert "changed the compression of images in" in olga.get("/w/lab/activity/").content.decode()


def test_a_compression_that_there_is_not_is_refused(olga: Client) -> None:
    assert "is no choice for compression. Choose one of gzip, zstd, both" in message_after(
        olga, COMPRESSION, compression="lz4"
    )
    assert lab().compression == ""


def test_readers_see_the_compression_and_cannot_change_it(olga: Client) -> None:
    cleo = browser_of(person("cleo", lab=Role.CONTRIBUTOR))
    assert "Layers of new images" in olga.get(PAGE).content.decode()
    page = cleo.get(PAGE).content.decode()
    assert "Every engine can pull gzip" in page
    assert "Save compression" not in page


def test_the_api_gives_and_changes_the_compression(olga: Client, settings: Settings) -> None:
    settings.COMPRESSION = "gzip"
    api = "/api/v1/workspaces/lab/compression/"

    def put(value: str) -> tuple[int, dict[str, str]]:
        answer = olga.put(api, {"compression": value}, content_type="application/json")
        return answer.status_code, answer.json()

    assert olga.get(api).json() == {"compression": "", "in_use": "gzip"}
    assert put("zstd") == (200, {"compression": "zstd", "in_use": "zstd"})
    assert put("lz4")[0] == 400
    assert put("") == (200, {"compression": "", "in_use": "gzip"})


def test_a_setting_that_is_no_compression_stops_the_start() -> None:
    assert [read_compression(name) for name in ("", "zstd", "both")] == ["gzip", "zstd", "both"]
    with pytest.raises(ImproperlyConfigured, match="Choose one of gzip, zstd, both"):
        read_compression("lz4")
