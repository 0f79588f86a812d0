"""Rules for images of a workspace or of the catalogue, exceptions from them, and the triage of advisories."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from builds.models.advisories import Advisory
from environments.models import Environment, Version, Workspace


class RuleName(models.TextChoices):
    """The subject of a rule."""

    VULNERABILITY = "vulnerability"
    LICENCE = "licence"
    COOL_DOWN = "cool-down"
    SOURCE = "source"
    ORIGIN = "origin"
    BASE_AGE = "base-age"
    IMPORT_TEST = "import-test"


class Level(models.TextChoices):
    """The effect on an image that breaks a rule: nothing, a warning, or the build fails."""

    OFF = "off"
    WARN = "warn"
    BLOCK = "block"


class PolicyRule(models.Model):
    """A rule of a workspace; those of the catalogue's workspace decide what the catalogue takes. No row: off."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="policy_rules")
    rule = models.CharField(max_length=20, choices=RuleName.choices)
    level = models.CharField(max_length=5, choices=Level.choices, default=Level.OFF)
    starts_on = models.DateField(null=True, help_text="Its first day; a rule that blocks warns before it.")
    options = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "rule"], name="policyrule_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.level}"


class PolicyException(models.Model):
    """An exception from the rules of a workspace: a package, an advisory or an environment, until a day."""

    class Kind(models.TextChoices):
        """The kind of thing that is excepted."""

        PACKAGE = "package"
        ADVISORY = "advisory"
        ENVIRONMENT = "environment"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="policy_exceptions")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    subject = models.CharField(max_length=255, help_text="A package, name==version, an id, an environment.")
    rule = models.CharField(max_length=20, choices=RuleName.choices, blank=True, help_text="Empty for all.")
    reason = models.CharField(max_length=1000)
    until = models.DateField(null=True, help_text="Its last day; empty for no end.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["kind", "subject", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "kind", "subject", "rule"], name="policyexception_uniq"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class TriageState(models.TextChoices):
    """A decision about an advisory: a risk that is taken, no risk here, or not decided yet."""

    ACCEPTED = "accepted"
    NOT_AFFECTED = "not_affected"
    PENDING = "pending"


class Justification(models.TextChoices):
    """Why an advisory does not affect something, in CycloneDX's terms."""

    CODE_NOT_PRESENT = "code_not_present"
    CODE_NOT_REACHABLE = "code_not_reachable"
    REQUIRES_CONFIGURATION = "requires_configuration"
    REQUIRES_DEPENDENCY = "requires_dependency"
    REQUIRES_ENVIRONMENT = "requires_environment"
    PROTECTED_BY_COMPILER = "protected_by_compiler"
    PROTECTED_AT_RUNTIME = "protected_at_runtime"
    PROTECTED_AT_PERIMETER = "protected_at_perimeter"
    PROTECTED_BY_MITIGATING_CONTROL = "protected_by_mitigating_control"


class Triage(models.Model):
    """A decision about an advisory, for a version, an environment, or (neither) the whole studio."""

    advisory = models.ForeignKey(Advisory, on_delete=models.CASCADE, related_name="triages")
    environment = models.ForeignKey(
        Environment,
        null=True,
        on_delete=models.CASCADE,
        related_name="triages",
        help_text="Also a version's.",
    )
    version = models.ForeignKey(Version, null=True, on_delete=models.CASCADE, related_name="triages")
    state = models.CharField(max_length=12, choices=TriageState.choices)
    justification = models.CharField(max_length=40, choices=Justification.choices, blank=True)
    reason = models.CharField(max_length=2000)
    until = models.DateField(null=True, help_text="Its last day; empty for no end.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["advisory", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["advisory", "version"], name="triage_version_uniq"),
            models.UniqueConstraint(
                fields=["advisory", "environment"],
                condition=Q(version=None),
                name="triage_environment_uniq",
            ),
            models.UniqueConstraint(
                fields=["advisory"], condition=Q(environment=None, version=None), name="triage_studio_uniq"
            ),
            models.CheckConstraint(
                condition=Q(version=None) | Q(environment__isnull=False), name="triage_scope_check"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.advisory} {self.state} for {self.version or self.environment or 'the studio'}"

    @property
    def scope(self) -> str:
        """The scope: `version`, `environment` or `studio`."""
        return "version" if self.version_id else "environment" if self.environment_id else "studio"
