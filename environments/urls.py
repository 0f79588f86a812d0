"""URLs of environments that show nothing of builds, below /w/<workspace>/."""

from django.urls import path

from environments.audit import views as audit_views
from environments.notifications import views as notification_views
from environments.sections import in_section
from environments.versions import views
from environments.workspaces import (
    invitations_views,
    members_views,
    registry_views,
    settings_views,
    uploads_views,
)

app_name = "environments"
urlpatterns = [
    # /w/<workspace>/activity/?who=ann&what=builds&environment=forecast&since=2026-11-01&until=2026-11-30&page=2
    path("activity/", in_section("activity", audit_views.activity), name="activity"),
    # /w/<workspace>/activity/events.jsonl?who=ann
    path("activity/events.jsonl", audit_views.export, name="export_events"),
    # /w/<workspace>/settings/?tab=connections&change=7
    path("settings/", in_section("settings", settings_views.settings), name="settings"),
    # /w/<workspace>/settings/connections/
    path(
        "settings/connections/", in_section("settings", settings_views.add_connection), name="add_connection"
    ),
    # /w/<workspace>/settings/connections/7/replace
    path(
        "settings/connections/<int:connection>/replace",
        in_section("settings", settings_views.replace_connection),
        name="replace_connection",
    ),
    # /w/<workspace>/settings/connections/7/test
    path(
        "settings/connections/<int:connection>/test", settings_views.test_connection, name="test_connection"
    ),
    # /w/<workspace>/settings/connections/7/delete
    path(
        "settings/connections/<int:connection>/delete",
        settings_views.delete_connection,
        name="delete_connection",
    ),
    # /w/<workspace>/settings/members/
    path("settings/members/", in_section("settings", members_views.set_role), name="keep_member"),
    # /w/<workspace>/settings/members/remove
    path("settings/members/remove", in_section("settings", members_views.remove), name="remove_member"),
    # /w/<workspace>/settings/invitations/
    path("settings/invitations/", in_section("settings", invitations_views.invite), name="invite"),
    # /w/<workspace>/settings/invitations/7/revoke
    path(
        "settings/invitations/<int:invitation>/revoke",
        invitations_views.revoke,
        name="revoke_invitation",
    ),
    # /w/<workspace>/settings/registry
    path("settings/registry", in_section("settings", registry_views.change_registry), name="change_registry"),
    # /w/<workspace>/settings/uploads
    path("settings/uploads", in_section("settings", uploads_views.change_uploads), name="change_uploads"),
    # /w/<workspace>/settings/pull
    path("settings/pull", registry_views.change_pull, name="change_pull"),
    # /w/<workspace>/settings/bytecode
    path(
        "settings/bytecode",
        in_section("settings", registry_views.change_bytecode),
        name="change_bytecode",
    ),
    # /w/<workspace>/settings/import-test
    path(
        "settings/import-test",
        in_section("settings", registry_views.change_import_test),
        name="change_import_test",
    ),
    # /w/<workspace>/settings/compression
    path(
        "settings/compression",
        in_section("settings", registry_views.change_compression),
        name="change_compression",
    ),
    # /w/<workspace>/settings/webhooks/
    path("settings/webhooks/", in_section("settings", notification_views.add), name="add_webhook"),
    # /w/<workspace>/settings/webhooks/7/change
    path(
        "settings/webhooks/<int:webhook>/change",
        in_section("settings", notification_views.change),
        name="change_webhook",
    ),
    # /w/<workspace>/settings/webhooks/7/secret
    path(
        "settings/webhooks/<int:webhook>/secret",
        in_section("settings", notification_views.renew),
        name="renew_webhook",
    ),
    # /w/<workspace>/settings/webhooks/7/test
    path("settings/webhooks/<int:webhook>/test", notification_views.test, name="test_webhook"),
    # /w/<workspace>/settings/webhooks/7/delete
    path("settings/webhooks/<int:webhook>/delete", notification_views.delete, name="delete_webhook"),
    # /w/<workspace>/settings/webhooks/7/deliveries/<delivery>/again
    path(
        "settings/webhooks/<int:webhook>/deliveries/<uuid:delivery>/again",
        notification_views.again,
        name="send_again",
    ),
    # /w/<workspace>/environments/<name>/archive
    path("environments/<word:name>/archive", views.archive, name="archive"),
    # /w/<workspace>/environments/<name>/versions/<version>/archive
    path(
        "environments/<word:name>/versions/<word:version>/archive",
        views.archive_version,
        name="archive_version",
    ),
]
