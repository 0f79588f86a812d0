"""Labels of stored names, as people read them: states, kinds, severities, events and reasons."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext_lazy, pgettext_lazy

STATES = {
    # state: (label, icon, colour)
    "queued": (_("Queued"), "hourglass", "queued"),
    "running": (_("Building"), "loader-2", "running"),
    "building": (_("Building"), "loader-2", "running"),
    "succeeded": (_("Succeeded"), "circle-check", "good"),
    "ready": (_("Ready"), "circle-check", "good"),
    "failed": (_("Failed"), "circle-x", "bad"),
    "cancelled": (_("Cancelled"), "player-stop", "quiet"),
    "none": (_("Not built"), "circle-dashed", "quiet"),
    "reused": (_("Reused"), "repeat", "good"),
    "cached": (_("Cached"), "repeat", "good"),
    "archived": (_("Archived"), "archive", "quiet"),
    "active": (_("Active"), "player-play", "good"),
    "ended": (_("Ended"), "player-stop", "quiet"),
    "waiting": (_("Waiting"), "hourglass", "queued"),
    "changes": (_("Changes asked for"), "pencil", "warn"),
    "published": (_("Published"), "circle-check", "good"),
    "refused": (_("Refused"), "circle-x", "bad"),
    "withdrawn": (_("Withdrawn"), "player-stop", "quiet"),
    "deprecated": (_("Deprecated"), "alert-triangle", "warn"),
    "retired": (_("Retired"), "archive", "quiet"),
}

KINDS = {
    "curated": _("Curated"),
    "system-managed": _("System-managed"),
    "user-managed": _("User-managed"),
}

SEVERITIES = {
    "error": (_("Error"), "circle-x", "bad"),
    "warning": (_("Warning"), "alert-triangle", "warn"),
    "note": (_("Note"), "info-circle", "note"),
}

FAULTS = {
    "author": _("This is in the definition, so its author can put it right."),
    "outside": _("This is outside of both the definition and the studio."),
    "studio": _("This is the studio's own fault, not the definition's."),
}

EVENTS = {
    # verb: (icon, phrase)
    "version.created": ("plus", pgettext_lazy("did", "saved")),
    "version.described": ("pencil", pgettext_lazy("did", "described")),
    "environment.archived": ("archive", pgettext_lazy("did", "archived")),
    "environment.restored": ("archive-off", pgettext_lazy("did", "restored")),
    "use.reported": ("player-play", pgettext_lazy("did", "reported what uses")),
    "use.ended": ("player-stop", pgettext_lazy("did", "reported the end of what used")),
    "connection.created": ("lock", pgettext_lazy("did", "added the connection to")),
    "connection.replaced": ("lock", pgettext_lazy("did", "replaced the password of the connection to")),
    "connection.deleted": ("trash", pgettext_lazy("did", "deleted the connection to")),
    "member.added": ("users", pgettext_lazy("did", "added the member")),
    "member.changed": ("users", pgettext_lazy("did", "gave another role to")),
    "member.removed": ("users", pgettext_lazy("did", "removed the member")),
    "member.left": ("user", pgettext_lazy("did", "left as the member")),
    "person.added": ("users", pgettext_lazy("did", "made the account")),
    "person.joined": ("users", pgettext_lazy("did", "signed in for the first time as")),
    "person.closed": ("user", pgettext_lazy("did", "closed the account")),
    "person.password": ("lock", pgettext_lazy("did", "changed the password of")),
    "person.notifications": ("settings", pgettext_lazy("did", "chose what is told to")),
    "workspace.created": ("plus", pgettext_lazy("did", "made the workspace")),
    "workspace.renamed": ("pencil", pgettext_lazy("did", "gave another title to")),
    "webhook.created": ("plus", pgettext_lazy("did", "added the webhook")),
    "webhook.changed": ("pencil", pgettext_lazy("did", "changed the webhook")),
    "webhook.renewed": ("lock", pgettext_lazy("did", "made a new secret for the webhook")),
    "webhook.tested": ("player-play", pgettext_lazy("did", "sent a test to the webhook")),
    "webhook.sent_again": ("repeat", pgettext_lazy("did", "sent something again to the webhook")),
    "webhook.deleted": ("trash", pgettext_lazy("did", "deleted the webhook")),
    "token.created": ("lock", pgettext_lazy("did", "made the token")),
    "token.revoked": ("trash", pgettext_lazy("did", "revoked the token")),
    "workspace.registry": ("arrow-up", pgettext_lazy("did", "changed the registry of")),
    "workspace.pull": ("download", pgettext_lazy("did", "changed who may pull the images of")),
    "workspace.bytecode": ("settings", pgettext_lazy("did", "changed the bytecode of images in")),
    "workspace.compression": ("settings", pgettext_lazy("did", "changed the compression of images in")),
    "workspace.uploads": ("settings", pgettext_lazy("did", "changed how old packages must be in")),
    "workspace.limits": ("settings", pgettext_lazy("did", "changed the limits of")),
    "images.cleaned": ("trash", pgettext_lazy("did", "cleaned up")),
    "store.cleaned": ("trash", pgettext_lazy("did", "had the studio's store cleaned up from")),
    "proposal.proposed": ("arrow-up", pgettext_lazy("did", "proposed for the catalogue")),
    "proposal.answered": ("arrow-up", pgettext_lazy("did", "proposed anew")),
    "proposal.changes": ("pencil", pgettext_lazy("did", "asked for changes of")),
    "proposal.published": ("circle-check", pgettext_lazy("did", "approved and published")),
    "proposal.refused": ("circle-x", pgettext_lazy("did", "refused")),
    "proposal.withdrawn": ("player-stop", pgettext_lazy("did", "withdrew")),
    "proposal.trial": ("player-play", pgettext_lazy("did", "asked for a trial of the image of")),
    "proposal.tried": ("player-play", pgettext_lazy("did", "tried the image of")),
    "catalogue.deprecated": ("alert-triangle", pgettext_lazy("did", "deprecated")),
    "catalogue.retired": ("archive", pgettext_lazy("did", "retired")),
    "catalogue.kept": ("archive-off", pgettext_lazy("did", "kept")),
    "build.requested": ("hammer", pgettext_lazy("did", "asked for a build of")),
    "build.joined": ("users", pgettext_lazy("did", "joined the build of")),
    "build.left": ("user", pgettext_lazy("did", "stopped waiting for")),
    "build.stopped": ("player-stop", pgettext_lazy("did", "stopped for everybody the build of")),
    "build.succeeded": ("circle-check", pgettext_lazy("did", "built")),
    "build.failed": ("circle-x", pgettext_lazy("did", "could not build")),
    "build.cancelled": ("player-stop", pgettext_lazy("did", "cancelled the build of")),
}

# Values that are stored in English and translated on pages
TRANSLATED_VALUES = [
    gettext_noop("Running"),
    gettext_noop("reader"),
    gettext_noop("contributor"),
    gettext_noop("owner"),
    gettext_noop("Container registry"),
    gettext_noop("Package index (pip)"),
    gettext_noop("Conda channel"),
    gettext_noop("pull images"),
    gettext_noop("read"),
    gettext_noop("read and write"),
    gettext_noop("changes"),
    gettext_noop("files"),
    gettext_noop("layers"),
    gettext_noop("packages"),
]

# Changes of a package that have no icon
CHANGES = {
    "constraint": _("constraint changed"),
    "moved": _("moved"),
    "build": _("build changed"),
}

# The number of packages with a change: singular and plural
CHANGE_COUNTS = {
    "upgraded": ngettext_lazy("%(count)d upgraded", "%(count)d upgraded", "count"),
    "downgraded": ngettext_lazy("%(count)d downgraded", "%(count)d downgraded", "count"),
    "added": ngettext_lazy("%(count)d added", "%(count)d added", "count"),
    "removed": ngettext_lazy("%(count)d removed", "%(count)d removed", "count"),
    "moved": ngettext_lazy("%(count)d moved", "%(count)d moved", "count"),
    "constraint": ngettext_lazy("%(count)d constraint changed", "%(count)d constraints changed", "count"),
    "build": ngettext_lazy("%(count)d build changed", "%(count)d builds changed", "count"),
}

# How far apart two versions of a package are
LEVELS = {
    "major": pgettext_lazy("version", "major"),
    "minor": pgettext_lazy("version", "minor"),
    "patch": pgettext_lazy("version", "patch"),
}

STEPS = {
    "proposed": _("proposed it"),
    "answered": _("proposed a newer version:"),
    "changes": _("asked for changes"),
    "published": _("approved and published it"),
    "refused": _("refused it"),
    "withdrawn": _("withdrew it"),
}

FATES = {
    "replaced": _("replaced by a newer image"),
    "nobodys": _("no version has this content any more"),
    "older": _("only older versions of an environment have it"),
    "used": _("used in that time"),
    "in-use": _("a run, model or deployment uses it"),
    "proposed": _("it is proposed for the catalogue, and not decided yet"),
    "building": _("a build of it is under way"),
    "latest": _("the latest version of an environment has it"),
    "labelled": _("a version with a label has it"),
    "archived": _("an archived version has it, and keeps its image"),
}
