"""Request bodies of the API, with the meaning of each field."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.fields import empty

from environments.definition.model import Selection
from environments.models import Role
from environments.versions.input import DefinitionInput, read_input


class NoNul(s.CharField):
    """A text that a database can hold. One that a form leaves out is not there, rather than empty."""

    default_empty_html = empty

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)


class Tags(s.DictField):
    """Tags by name."""

    child = NoNul(allow_blank=True, max_length=400)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Return the tags; their names have up to 100 characters."""
        tags: dict[str, str] = super().to_internal_value(data)
        for name in tags:
            if not name.strip() or len(name) > 100 or "\0" in name:
                raise s.ValidationError("A tag's name has 1 to 100 characters.")
        return tags


class Files(s.ListField):
    """One file or several, in a multipart form. Elsewhere than in a form there is none."""

    child = s.FileField(allow_empty_file=True)


class DefinitionIn(s.Serializer[Any]):
    """A definition: the text of a file of any known format, or the files themselves; and which part of a project."""

    text = NoNul(
        max_length=5_000_000,
        required=False,
        help_text="The text of a file: environment YAML or JSON, conda, pip, a project, Dockerfile, a lock …",
    )
    filename = NoNul(
        max_length=255,
        required=False,
        default="",
        allow_blank=True,
        help_text="Helps to tell what the text is.",
    )
    file = Files(
        required=False,
        allow_empty=False,
        max_length=100,
        help_text="In place of the text: any known file, a build context as zip or tar, or several files, "
        "such as pyproject.toml and uv.lock (multipart; repeat the field).",
    )
    environment = NoNul(
        max_length=1000,
        required=False,
        default="",
        allow_blank=True,
        help_text="The project's environment to read; its default if left out.",
    )
    extras = s.ListField(
        child=NoNul(max_length=1000), required=False, default=list, help_text="Extras of the project."
    )
    groups = s.ListField(
        child=NoNul(max_length=1000), required=False, default=list, help_text="Its dependency groups."
    )
    no_groups = s.ListField(
        child=NoNul(max_length=1000),
        required=False,
        default=list,
        help_text="Groups to leave out, also default groups.",
    )
    no_default_groups = s.BooleanField(
        default=False, help_text="Leave out the default groups that `groups` doesn't name."
    )
    ignore_lock = s.BooleanField(
        default=False, help_text="Solve the versions again instead of reading the project's lock."
    )
    platforms = s.ListField(
        child=NoNul(max_length=100),
        required=False,
        default=list,
        max_length=10,
        help_text="What to build for: linux/amd64, linux/arm64, or both for one image of both. Left out: what the"
        " definition says.",
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Take exactly one of text and file."""
        if ("text" in given) == ("file" in given):
            raise s.ValidationError({"text": ["Send either a text or a file, and not both."]})
        return given

    def given(self) -> DefinitionInput:
        """Return the reading of what was sent."""
        data = self.validated_data
        selection = Selection(
            environment=data["environment"],
            extras=tuple(dict.fromkeys(data["extras"])),
            groups=tuple(dict.fromkeys(data["groups"])),
            no_groups=tuple(dict.fromkeys(data["no_groups"])),
            no_default_groups=data["no_default_groups"],
            ignore_lock=data["ignore_lock"],
            platforms=tuple(sorted({*data["platforms"]})),
        )
        return read_input(data.get("text", ""), data["filename"], data.get("file", ()), selection=selection)


class CheckIn(DefinitionIn):
    """A definition to check, and the workspace that it would be built in."""

    workspace = NoNul(
        max_length=63,
        required=False,
        default="",
        allow_blank=True,
        help_text="Look up packages, base image and Docker Engine too, as a build in this workspace would; takes up to"
        " 3 seconds. Needs the role contributor.",
    )


class VersionIn(DefinitionIn):
    """A version to save: its definition as the text of a file of any known format, or as the file itself."""

    version = NoNul(
        max_length=64, required=False, default="", allow_blank=True, help_text="Left out: the next number."
    )
    description = NoNul(max_length=5000, required=False, allow_blank=True)
    tags = Tags(required=False)
    based_on = NoNul(
        max_length=400, required=False, allow_blank=True, default="", help_text="workspace/name:version"
    )


class AnonymousIn(DefinitionIn):
    """A definition to submit without a name."""

    version = NoNul(
        max_length=64,
        required=False,
        default="",
        allow_blank=True,
        help_text="Left out: a fingerprint of the definition.",
    )
    description = NoNul(max_length=5000, required=False, allow_blank=True)
    tags = Tags(required=False)


class NameIn(s.Serializer[Any]):
    """The name to save an anonymous version under."""

    name = NoNul(max_length=255, help_text="Of a new environment, or of one that gets its next version.")
    description = NoNul(
        max_length=5000,
        required=False,
        allow_blank=True,
        help_text="Left out: that of the anonymous version.",
    )
    tags = Tags(required=False)
    only_new = s.BooleanField(default=False, help_text="Only if no environment has this name.")


class DescriptionIn(s.Serializer[Any]):
    """Changes to a version."""

    description = NoNul(max_length=5000, required=False, allow_blank=True)
    tags = Tags(required=False)


class EnvironmentIn(s.Serializer[Any]):
    """Changes to an environment."""

    ignored_findings = s.ListField(
        child=NoNul(max_length=60),
        max_length=200,
        help_text="The codes of warnings and notes that its pages fold away.",
    )


class BuildIn(s.Serializer[Any]):
    """Options of a build."""

    rebuild = s.BooleanField(default=False, help_text="Make a new image even if there is one (rule 16).")


class WorkspaceIn(s.Serializer[Any]):
    """A workspace to make."""

    title = NoNul(max_length=120)
    name = NoNul(max_length=63, default="", help_text="Left out: made of the title.")


class TitleIn(s.Serializer[Any]):
    """The title that a workspace is to have."""

    title = NoNul(max_length=120)


class UploadPolicyIn(s.Serializer[Any]):
    """A workspace's policy for uploads: how old packages must be."""

    limit = NoNul(
        max_length=100, allow_blank=True, help_text="An age such as 14 days, or a date; empty for no limit."
    )
    exceptions = s.DictField(
        child=NoNul(max_length=100),
        default=dict,
        help_text="Another limit, or `any`, by a package's name or the address of an index or channel.",
    )


class MemberIn(s.Serializer[Any]):
    """The role that a member is to have."""

    role = s.ChoiceField(choices=[role.label for role in Role])


class TokenIn(s.Serializer[Any]):
    """A token to make."""

    name = NoNul(max_length=120)
    scope = s.ChoiceField(choices=["pull", "read", "write"], default="read")
    workspace = NoNul(max_length=63, required=False, allow_null=True, default=None)
    expires_in_days = s.IntegerField(min_value=1, max_value=3650, required=False, allow_null=True, default=90)
