"""Preparation of a database for the first user: tables, the catalogue, a workspace, an admin."""

import io
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from environments.catalogue.loader import load_catalogue
from environments.models import Environment, Member, Role, Workspace
from studio.migration_history import refuse_unknown_migrations

DEFAULT_WORKSPACE = "default"
ADMIN = "admin"


@dataclass(frozen=True)
class Prepared:
    """The workspace, the admin and the number of curated environments of a prepared database."""

    workspace: Workspace
    admin: User
    curated: int


def prepare() -> Prepared:
    """Bring the database up to date and create what a first user needs. Can be repeated."""
    refuse_unknown_migrations()
    migrations = MigrationExecutor(connection)
    if migrations.migration_plan(migrations.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0, stdout=io.StringIO())
    else:
        migrations.check_replacements()  # records the migrations that replace those of an earlier checkout
    load_catalogue()
    curated = Environment.objects.listed().filter(workspace__curated=True).count()
    workspace, _ = Workspace.objects.get_or_create(
        name=DEFAULT_WORKSPACE, defaults={"title": "Default workspace", "anonymous_pull": True}
    )
    admin, created = User.objects.get_or_create(username=ADMIN, defaults={"is_superuser": True})
    if created:
        admin.set_unusable_password()
        admin.save(update_fields=["password"])
    Member.objects.get_or_create(workspace=workspace, user=admin, defaults={"role": Role.OWNER})
    return Prepared(workspace, admin, curated)


def login_path(user: User) -> str:
    """Return a path that signs this user in once, within an hour."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    # Not `reverse`: it would load the URLs of every page, which delays the command by a second.
    return f"/login/{uid}/{default_token_generator.make_token(user)}/"
