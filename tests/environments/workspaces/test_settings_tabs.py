"""The settings of a workspace: tabs of several apps, in a fixed order, each for those who have its right."""

from __future__ import annotations

import re

import pytest

from environments.models import Role
from environments.workspaces.tabs import register_tabs, settings_tabs
from tests.builds.scenarios import browser_of, person

pytestmark = pytest.mark.django_db
ALL = [
    *("general", "members", "connections", "registry", "uploads", "sharing"),
    *("policy", "azure", "limits", "webhooks"),
]


@pytest.mark.parametrize(
    ("role", "tabs"),
    [(Role.OWNER, ALL), (Role.CONTRIBUTOR, ALL[:-1]), (Role.READER, ["members", "azure"])],
)
def test_the_tabs_are_in_order_of_their_positions(role: Role, tabs: list[str]) -> None:
    page = browser_of(person("mia", lab=role)).get("/w/lab/settings/").content.decode()
    assert re.findall(r'href="/w/lab/settings/\?tab=(\w+)"\s', page) == tabs


def test_a_tab_that_is_registered_again_is_there_once() -> None:
    register_tabs(*reversed(settings_tabs()))
    assert [tab.name for tab in settings_tabs()] == ALL
