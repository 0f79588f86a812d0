"""`manage.py person`: people who sign in with a password of this studio."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from environments.audit.record import record
from environments.models import Member, Role, Workspace
from environments.public_url import absolute_url
from studio.management.base import StudioCommand
from studio.preparation import login_path


class Command(StudioCommand):
    """Add somebody, give them a new link to sign in once, or close their account."""

    help = "Add a user, create a one-time sign-in link, or close an account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to do and for whom."""
        parser.add_argument("what", choices=["add", "link", "close"])
        parser.add_argument("name")
        parser.add_argument("--email", default="")
        parser.add_argument("--admin", action="store_true", help="admin: all rights in all workspaces")
        parser.add_argument(
            "--workspace", action="append", default=[], help="lab or lab=owner; may be repeated"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say what it came to."""
        name = options["name"]
        if options["what"] == "add":
            if User.objects.filter(username=name).exists():
                raise CommandError(
                    f"The user {name} already exists. For a new link: manage.py person link {name}"
                )
            roles = [_role(argument) for argument in options["workspace"]]
            user = User(username=name, email=options["email"], is_superuser=options["admin"])
            user.set_unusable_password()
            user.full_clean(exclude=["password"])
            user.save()
            for workspace, role in roles:
                Member.objects.create(workspace=workspace, user=user, role=role)
            record("person.added", name, workspace=None, admin=options["admin"])
            self.say_link(user)
            return
        user_there = User.objects.filter(username=name).first()
        if user_there is None:
            raise CommandError(f"There is no user {name}.")
        if options["what"] == "link":
            self.say_link(user_there)
            return
        # Closed, not deleted: what they did stays theirs. Sessions and tokens end with it.
        user_there.is_active = False
        user_there.save(update_fields=["is_active"])
        record("person.closed", name, workspace=None)
        self.stdout.write(f"Account {name} closed. Its sessions and tokens no longer work.")

    def say_link(self, user: User) -> None:
        """Print where the person signs in, once, within an hour."""
        self.stdout.write(f"{user.username} can sign in once, within an hour:")
        self.stdout.write(f"  {absolute_url(login_path(user))}")


def _role(argument: str) -> tuple[Workspace, Role]:
    """Return workspace and role of `lab` or `lab=owner`."""
    name, _, word = argument.partition("=")
    workspace = Workspace.objects.filter(name=name).first()
    if workspace is None:
        raise CommandError(f"There is no workspace {name}.")
    try:
        return workspace, Role[(word or "reader").upper()]
    except KeyError:
        roles = ", ".join(role.label for role in Role)
        raise CommandError(f"{word} is no role. The roles are {roles}.") from None
