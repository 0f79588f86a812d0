"""Titles and explanations of rules, levels and decisions, as pages show them."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from builds.models import Justification, Level, RuleName, TriageState

RULES = {
    # rule: (title, what breaks it)
    RuleName.VULNERABILITY: (
        _("Known vulnerabilities"),
        _("A package has an advisory of this severity or a higher one, published this long ago."),
    ),
    RuleName.LICENCE: (_("Licences"), _("A package has a licence that isn't allowed.")),
    RuleName.COOL_DOWN: (
        _("Minimum package age"),
        _("Packages were chosen without the minimum age of Settings → Uploads."),
    ),
    RuleName.SOURCE: (_("Built from source"), _("A package has no wheel and was built from its source.")),
    RuleName.ORIGIN: (
        _("Indexes and channels"),
        _("A package comes from an index or channel that isn't listed."),
    ),
    RuleName.BASE_AGE: (_("Age of the base image"), _("The base image is older than this.")),
    RuleName.IMPORT_TEST: (_("Import test"), _("The image has no import test that passed.")),
}

LEVELS = {
    Level.OFF: pgettext_lazy("a rule", "Off"),
    Level.WARN: pgettext_lazy("a rule", "Warn"),
    Level.BLOCK: pgettext_lazy("a rule", "Block"),
}

EXCEPTION_KINDS = {
    "package": pgettext_lazy("an exception", "Package"),
    "advisory": pgettext_lazy("an exception", "Advisory"),
    "environment": pgettext_lazy("an exception", "Environment"),
}

DECISIONS = {
    # state: (label, icon, colour)
    TriageState.ACCEPTED: (_("Risk accepted"), "circle-check", "note"),
    TriageState.NOT_AFFECTED: (_("Not affected"), "circle-check", "good"),
    TriageState.PENDING: (_("Pending"), "hourglass", "warn"),
}

JUSTIFICATIONS = {
    Justification.CODE_NOT_PRESENT: _("The vulnerable code isn't there"),
    Justification.CODE_NOT_REACHABLE: _("The vulnerable code is never reached"),
    Justification.REQUIRES_CONFIGURATION: _("It needs a setting that isn't used"),
    Justification.REQUIRES_DEPENDENCY: _("It needs a package that isn't there"),
    Justification.REQUIRES_ENVIRONMENT: _("It needs another system or platform"),
    Justification.PROTECTED_BY_COMPILER: _("A compiler option prevents it"),
    Justification.PROTECTED_AT_RUNTIME: _("It is prevented at run time"),
    Justification.PROTECTED_AT_PERIMETER: _("The network around it prevents it"),
    Justification.PROTECTED_BY_MITIGATING_CONTROL: _("Another control prevents it"),
}
