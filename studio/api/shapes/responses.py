"""Response fields of the API; responses and schema are made from these."""

from functools import cache
from typing import Any

from rest_framework import serializers as s

from environments.models import Role, Scope


class Error(s.Serializer[Any]):
    """An error."""

    code = s.CharField(help_text="Stable: for programs.")
    message = s.CharField(help_text="For people: what happened, and what to do.")
    # The framework takes fields out of the class: the name is free.
    errors = s.DictField(  # type: ignore[assignment]
        child=s.ListField(child=s.CharField()), help_text="What is wrong, by field."
    )


class Edit(s.Serializer[Any]):
    """A replacement in the text: lines and columns count from 1, and the end is not part of it."""

    line = s.IntegerField()
    column = s.IntegerField()
    end_line = s.IntegerField()
    end_column = s.IntegerField()
    text = s.CharField(allow_blank=True)


class Fix(s.Serializer[Any]):
    """Edits that mend a finding; a safe fix leaves no choice."""

    # The framework takes fields out of the class: the name is free.
    label = s.CharField()  # type: ignore[assignment]
    safe = s.BooleanField()
    edits = Edit(many=True)


class Finding(s.Serializer[Any]):
    """Something to say about a definition."""

    code = s.CharField()
    severity = s.ChoiceField(choices=["error", "warning", "note"])
    line = s.IntegerField(allow_null=True)
    column = s.IntegerField(allow_null=True)
    file = s.CharField(allow_blank=True)
    message = s.CharField()
    help = s.CharField(allow_blank=True)
    fix = Fix(allow_null=True, help_text="None where there is no fix, and for files and versions.")


class Selection(s.Serializer[Any]):
    """A part of a project."""

    environment = s.CharField(allow_blank=True)
    extras = s.ListField(child=s.CharField())
    groups = s.ListField(child=s.CharField())
    no_groups = s.ListField(child=s.CharField(), help_text="Groups that are left out.")
    ignore_lock = s.BooleanField()
    platforms = s.ListField(
        child=s.CharField(),
        help_text="The platforms that were chosen in place of those that the definition names.",
    )


class Offers(s.Serializer[Any]):
    """The parts of a project that can be read, by name."""

    environments = s.ListField(child=s.CharField())
    extras = s.ListField(child=s.CharField())
    groups = s.ListField(child=s.CharField())
    default = Selection()


class Reading(s.Serializer[Any]):
    """A reading of a definition."""

    accepted = s.BooleanField()
    format = s.CharField()
    name = s.CharField(allow_blank=True)
    version = s.CharField(allow_blank=True)
    hash = s.CharField(allow_null=True)
    definition = s.DictField(allow_null=True)
    offers = Offers(allow_null=True, help_text="Null if nothing can be chosen.")
    selection = Selection(allow_null=True, help_text="What was read.")
    findings = Finding(many=True)
    fixed = s.CharField(allow_null=True, help_text="The text after all safe fixes; null without a fix.")
    pending = s.BooleanField(help_text="Whether packages, base image or engine are still being looked up.")


class DefinitionRefused(Error):
    """A definition that cannot be saved, and why."""

    findings = Finding(many=True, required=False)
    offers = Offers(allow_null=True, required=False)


class PackageChange(s.Serializer[Any]):
    """A package that differs."""

    name = s.CharField()
    ecosystem = s.CharField()
    change = s.CharField()
    level = s.CharField(allow_blank=True, help_text="Of an exact version: major, minor or patch.")
    old = s.CharField(allow_blank=True)
    new = s.CharField(allow_blank=True)


class OtherChange(s.Serializer[Any]):
    """Anything else that differs."""

    kind = s.CharField()
    text = s.CharField()
    old = s.CharField(allow_blank=True)
    new = s.CharField(allow_blank=True)


class Difference(s.Serializer[Any]):
    """Differences."""

    same_hash = s.BooleanField()
    summary = s.CharField()
    packages = PackageChange(many=True)
    other = OtherChange(many=True)


class ResolvedChange(PackageChange):
    """A package of an image that differs."""

    size = s.IntegerField(help_text="Bytes more; fewer are below zero.")


class ResolvedDifference(s.Serializer[Any]):
    """Differences between the packages of two images."""

    summary = s.CharField()
    same_image = s.BooleanField()
    size = s.IntegerField(help_text="Bytes more to download.")
    packages = ResolvedChange(many=True)


class TextDifference(s.Serializer[Any]):
    """The lines that differ between two versions' texts."""

    converted = s.BooleanField(help_text="Both are written as YAML: they were given in different formats.")
    unified = s.CharField(allow_blank=True, help_text="Hunks, in the unified format.")
    whole = s.BooleanField(help_text="False: there are more than the 2,000 changed lines that are given.")


class WholeDifference(Difference):
    """Differences between two versions and between their images."""

    text = TextDifference()
    resolved = ResolvedDifference(allow_null=True, help_text="Null where one of them has no image.")


class Taken(Error):
    """Other content exists under this name, or the state forbids it."""

    difference = Difference(required=False)


class Workspace(s.Serializer[Any]):
    """A workspace."""

    name = s.CharField()
    title = s.CharField()
    curated = s.BooleanField()
    role = s.ChoiceField(choices=[role.label for role in Role], help_text="Yours.")


class UploadPolicy(s.Serializer[Any]):
    """A workspace's policy for uploads: how old packages must be."""

    limit = s.CharField(allow_blank=True, help_text="An age such as 14 days, or a date; empty for no limit.")
    exceptions = s.DictField(child=s.CharField())


class Member(s.Serializer[Any]):
    """A person in a workspace."""

    user = s.CharField()
    role = s.ChoiceField(choices=[role.label for role in Role])


class Invitation(s.Serializer[Any]):
    """An unused link that makes its first user a member of a workspace."""

    id = s.IntegerField()
    role = s.ChoiceField(choices=[role.label for role in Role])
    created_by = s.CharField()
    created_at = s.DateTimeField()
    expires_at = s.DateTimeField()


class NewInvitation(Invitation):
    """A new invitation, with its link."""

    link = s.CharField(help_text="Shown once.")


class Deprecation(s.Serializer[Any]):
    """That a curated environment, or a version of it, is on its way out."""

    on = s.DateField(help_text="The day from which it may be retired.")
    reason = s.CharField()
    successor = s.CharField(allow_null=True, help_text="The curated environment to use instead.")
    retired = s.BooleanField(help_text="It is archived, and nothing new starts from it.")


class DeprecatedOrigin(Deprecation):
    """The deprecated version of the catalogue that this version was started from."""

    version = s.CharField(help_text="workspace/name:version")


class Version(s.Serializer[Any]):
    """A version, without its definition."""

    workspace = s.CharField()
    environment = s.CharField()
    version = s.CharField()
    labels = s.ListField(
        child=s.CharField(), help_text="Free ones such as `prod`; `latest` isn't among them."
    )
    anonymous = s.BooleanField(help_text="Submitted without a name of its own; no list shows it.")
    pull_name = s.CharField(
        allow_blank=True,
        help_text="Of its image, after the host: workspace/repository:tag. Empty for anonymous versions, whose images"
        " are pulled by hash.",
    )
    hash = s.CharField()
    kind = s.CharField()
    base = s.CharField(allow_blank=True)
    packages = s.IntegerField(help_text="Number of requested packages.")
    description = s.CharField(allow_blank=True)
    tags = s.DictField(child=s.CharField(allow_blank=True))
    based_on = s.CharField(allow_null=True, help_text="workspace/name:version")
    archived = s.BooleanField()
    created_at = s.DateTimeField()
    created_by = s.CharField(allow_null=True)
    image = s.ChoiceField(
        choices=["ready", "none", "queued", "running", "failed", "cancelled"],
        help_text="Whether there is an image, else how its last build stands.",
    )
    deprecation = Deprecation(allow_null=True, help_text="In the catalogue: its own, or its environment's.")


class WholeVersion(Version):
    """A version with its definition."""

    definition = s.DictField()
    selection = Selection(help_text="What was read of the project that it is from.")
    files = s.ListField(
        child=s.CharField(), help_text="The files that it was read from, if they were several."
    )
    source_format = s.CharField(allow_blank=True)
    deprecated_origin = DeprecatedOrigin(allow_null=True, help_text="A deprecated start, however long ago.")


class PackageMatch(s.Serializer[Any]):
    """A package that matches a search."""

    package = s.CharField(
        help_text="Its name and version; its name and constraint where it is only requested."
    )
    requested_only = s.BooleanField(help_text="Whether the versions request it and are not built.")
    versions = s.ListField(child=s.CharField())


class Matches(s.Serializer[Any]):
    """Why an environment matches a search: its versions, the newest first, and their packages."""

    versions = s.ListField(child=s.CharField())
    packages = PackageMatch(many=True)


class Environment(s.Serializer[Any]):
    """An environment with its latest version."""

    workspace = s.CharField()
    name = s.CharField()
    archived = s.BooleanField()
    ignored_findings = s.ListField(child=s.CharField(), help_text="The codes that its pages fold away.")
    created_at = s.DateTimeField()
    created_by = s.CharField(allow_null=True)
    latest = Version(allow_null=True)
    matches = Matches(allow_null=True, help_text="Of a search; else null.")


class FacetValue(s.Serializer[Any]):
    """A value with the number of environments that have it."""

    value = s.CharField()
    term = s.CharField(help_text="Of the query: `state:failed`.")
    count = s.IntegerField()
    active = s.BooleanField(help_text="Whether the query has the term.")
    query = s.CharField(help_text="The query with the term, or without it where it is active.")


class Facet(s.Serializer[Any]):
    """The values of a qualifier, the most frequent first."""

    qualifier = s.ChoiceField(choices=["state", "by", "framework", "tag", "kind"])
    values = FacetValue(many=True)


class Facets(s.Serializer[Any]):
    """The facets of a search; those that narrow nothing are left out."""

    facets = Facet(many=True)


class HeldPackage(s.Serializer[Any]):
    """A package in an image, and the versions whose image it is."""

    name = s.CharField()
    version = s.CharField()
    ecosystem = s.ChoiceField(
        choices=["pypi", "conda", "python"], help_text="`python`: the interpreter itself."
    )
    size = s.IntegerField()
    requested = s.BooleanField()
    license = s.CharField(help_text="Its licence as an SPDX expression; empty for unknown.")
    workspace = s.CharField(help_text="Of the image.")
    digest = s.CharField(help_text="Of the image.")
    hash = s.CharField()
    versions = s.ListField(child=s.CharField(), help_text="workspace/name:version")


class Origin(s.Serializer[Any]):
    """The origin of a change; empty for changes by the studio itself."""

    address = s.CharField(allow_blank=True)
    agent = s.CharField(allow_blank=True)
    token = s.CharField(allow_blank=True, help_text="The access token's name, where one was used.")


class Event(s.Serializer[Any]):
    """An event: actor, action, and what changed."""

    id = s.IntegerField()
    at = s.DateTimeField()
    workspace = s.CharField(allow_null=True)
    actor = s.CharField(allow_null=True, help_text="Null where the studio itself did it.")
    verb = s.CharField()
    subject = s.CharField()
    environment = s.CharField(allow_null=True)
    before = s.DictField(allow_null=True, help_text="The fields that changed, as they were.")
    after = s.DictField(allow_null=True, help_text="The same fields, as they are then.")
    details = s.DictField()
    origin = Origin(allow_null=True, help_text="For owners of the workspace; null for others.")


class Token(s.Serializer[Any]):
    """An access token, without its secret."""

    id = s.IntegerField()
    name = s.CharField()
    hint = s.CharField()
    scope = s.ChoiceField(choices=[scope.name.lower() for scope in Scope])
    workspace = s.CharField(allow_null=True)
    created_at = s.DateTimeField()
    expires_at = s.DateTimeField(allow_null=True)
    revoked_at = s.DateTimeField(allow_null=True)
    used_at = s.DateTimeField(allow_null=True)


class NewToken(Token):
    """An access token that was just made: its secret is given this once."""

    secret = s.CharField()


class Person(s.Serializer[Any]):
    """The caller."""

    user = s.CharField()
    admin = s.BooleanField()
    workspaces = s.ListField(child=s.CharField())


@cache  # one shape of a page for all lists of these
def paged(shape: type[s.Serializer[Any]]) -> type[s.Serializer[Any]]:
    """Return the shape of a page of these."""
    fields = {
        "next": s.URLField(allow_null=True),
        "previous": s.URLField(allow_null=True),
        "results": shape(many=True),
    }
    return type(
        f"{shape.__name__}Page", (s.Serializer,), fields | {"__doc__": f"A page of a list. {shape.__doc__}"}
    )
