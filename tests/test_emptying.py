from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connection

from environments.models.events import Event
from environments.models.workspaces import Workspace
from tests.emptying import empty_tables

pytestmark = [
    pytest.mark.usefixtures("either_database"),
    pytest.mark.django_db(transaction=True),
]


def event() -> Event:
    workspace = Workspace.objects.create(name="lab")
    return Event.objects.create(
        workspace=workspace, verb="workspace.created", group="workspace", subject="lab"
    )


def test_rows_go_and_models_and_rights_stay() -> None:
    event()
    filled = (ContentType.objects.count(), Permission.objects.count())
    empty_tables(connection)
    assert not Event.objects.exists()
    assert not Workspace.objects.exists()
    assert (ContentType.objects.count(), Permission.objects.count()) == filled
    assert all(filled)


def test_events_cannot_be_deleted_before_or_after() -> None:
    event()
    empty_tables(connection)
    event()
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("DELETE FROM environments_event")
    assert Event.objects.exists()


def test_empty_tables_are_left_alone() -> None:
    empty_tables(connection)
    empty_tables(connection)
    assert not Event.objects.exists()
