"""The right that a workspace needs depends on the workspace: it is read once, and strangers learn nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404
from django.test.utils import CaptureQueriesContext

from environments.access import Right, get_catalogue, get_policy_workspace, get_proposals_workspace
from environments.models import Role
from studio.azure.v1.lookup import find_version
from tests.builds.scenarios import person, save_text, workspace_named

pytestmark = pytest.mark.django_db


def catalogue_to_review(user: Any, name: str) -> object:
    return get_catalogue(user, name, Right.REVIEW)


def version_to_build(user: Any, name: str) -> object:
    return find_version(user, name, "forecast", right=Right.BUILD)


@pytest.mark.parametrize(
    ("lookup", "name", "member", "lesser"),
    [
        (get_proposals_workspace, "lab", Role.CONTRIBUTOR, Role.READER),
        (get_proposals_workspace, "curated", Role.CONTRIBUTOR, Role.READER),
        (get_policy_workspace, "lab", Role.OWNER, Role.CONTRIBUTOR),
        (catalogue_to_review, "curated", Role.CONTRIBUTOR, Role.READER),
        (version_to_build, "lab", Role.CONTRIBUTOR, Role.READER),
    ],
)
def test_a_workspace_and_the_role_in_it_are_looked_up_once(
    lookup: Callable[[Any, str], object], name: str, member: Role, lesser: Role
) -> None:
    workspace_named("curated")
    save_text("numpy==2.1.3")
    ann, ben = person("ann", **{name: member}), person("ben", **{name: lesser})

    with CaptureQueriesContext(connection) as queries:
        assert lookup(ann, name)
    for table in ("environments_workspace", "environments_member"):
        assert sum(f'FROM "{table}"' in query["sql"] for query in queries) == 1, table
    with pytest.raises(PermissionDenied, match=rf"Your role in {name} is {lesser.label}\."):
        lookup(ben, name)


def test_only_the_catalogue_is_the_catalogue_and_strangers_do_not_learn_which_it_is() -> None:
    save_text("numpy==2.1.3")
    with pytest.raises(Http404, match=r"lab is not the catalogue\."):
        catalogue_to_review(person("ann", lab=Role.OWNER), "lab")
    stranger = person("sam")
    for lookup in (catalogue_to_review, get_policy_workspace, get_proposals_workspace, version_to_build):
        with pytest.raises(Http404, match=r"There is no workspace lab that you can see\."):
            lookup(stranger, "lab")
