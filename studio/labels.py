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
    "accepted": (_("Accepted"), "circle-check", "good"),
    "declined": (_("Declined"), "circle-x", "bad"),
    "changes": (_("Changes requested"), "pencil", "warn"),
    "published": (_("Published"), "circle-check", "good"),
    "refused": (_("Rejected"), "circle-x", "bad"),
    "withdrawn": (_("Withdrawn"), "player-stop", "quiet"),
    "deprecated": (_("Deprecated"), "alert-triangle", "warn"),
    "retired": (_("Retired"), "archive", "quiet"),
    # severities of advisories
    "critical": (_("Critical"), "alert-triangle", "bad"),
    "high": (_("High"), "alert-triangle", "bad"),
    "medium": (_("Medium"), "alert-triangle", "warn"),
    "low": (_("Low"), "info-circle", "quiet"),
    "unknown": (_("Unknown"), "info-circle", "quiet"),
}

HEAL_STATES = {
    # state: (the state whose icon and colour it has, label)
    "waiting": ("waiting", _("Waiting")),
    "planning": ("running", _("Solving")),
    "planned": ("succeeded", _("Can be healed")),
    "building": ("building", _("Building")),
    "testing": ("running", _("Testing")),
    "ready": ("changes", _("Needs a decision")),
    "healed": ("succeeded", _("Healed")),
    "proposed": ("published", _("Proposed")),
    "current": ("succeeded", _("Not affected")),
    "refused": ("refused", _("Not healed")),
    "failed": ("failed", _("Failed")),
}

KINDS = {
    "curated": _("Curated"),
    "system-managed": _("System-managed"),
    "user-managed": _("User-managed"),
    "dockerfile": _("Dockerfile"),
    "image": _("Base image"),
}

FACETS = {
    "state": _("State"),
    "by": _("Saved by"),
    "framework": _("Framework"),
    "tag": _("Tag"),
    "kind": _("Kind"),
    "python": _("Python"),
    "device": _("Runs on"),
}

SEVERITIES = {
    "error": (_("Error"), "circle-x", "bad"),
    "warning": (_("Warning"), "alert-triangle", "warn"),
    "note": (_("Note"), "info-circle", "note"),
}

FAULTS = {
    "author": _("Cause: the definition. Edit it and build again."),
    "outside": _("Cause: network or registry, not your definition."),
    "studio": _("Cause: the studio's setup, not your definition."),
}

EVENTS = {
    # verb: (icon, sentence)
    "version.created": ("plus", _("%(who)s saved %(subject)s")),
    "version.submitted": ("plus", _("%(who)s submitted %(subject)s")),
    "version.expired": ("trash", _("The studio removed %(subject)s, which nothing has used")),
    "version.described": ("pencil", _("%(who)s described %(subject)s")),
    "label.set": ("plus", _("%(who)s put the label “%(label)s” on %(subject)s")),
    "label.moved": ("arrow-right", _("%(who)s moved the label “%(label)s” from %(before)s to %(subject)s")),
    "label.removed": ("trash", _("%(who)s removed the label “%(label)s” from %(subject)s")),
    "badge.created": ("plus", _("%(who)s created the badge key “%(label)s” of %(subject)s")),
    "badge.revoked": ("trash", _("%(who)s revoked the badge key “%(label)s” of %(subject)s")),
    "share.sent": ("arrow-up", _("%(who)s shared %(subject)s with %(label)s")),
    "share.received": ("arrow-right", _("%(who)s shared %(subject)s with this workspace")),
    "share.withdrawn": ("player-stop", _("%(who)s withdrew the share of %(subject)s")),
    "share.accepted": ("circle-check", _("%(who)s accepted %(label)s as %(subject)s")),
    "share.declined": ("circle-x", _("%(who)s declined %(subject)s")),
    "share.confirmed": ("circle-check", _("%(label)s accepted %(subject)s")),
    "share.refused": ("circle-x", _("%(label)s declined %(subject)s")),
    "workspace.opened": ("settings", _("%(who)s changed whether %(subject)s is open for sharing")),
    "workspace.receiving": (
        "settings",
        _("%(who)s changed whether %(subject)s receives shared versions"),
    ),
    "workspace.labels": ("lock", _("%(who)s changed the protected labels of %(subject)s")),
    "environment.watched": ("refresh", _("%(who)s began to watch %(subject)s for drift")),
    "environment.unwatched": ("player-stop", _("%(who)s stopped watching %(subject)s for drift")),
    "heal.requested": ("player-play", _("%(who)s requested to heal %(subject)s")),
    "heal.cancelled": ("player-stop", _("%(who)s stopped healing %(subject)s")),
    "version.healed": ("circle-check", _("%(who)s healed an environment: %(subject)s")),
    "environment.archived": ("archive", _("%(who)s archived %(subject)s")),
    "environment.findings": ("info-circle", _("%(who)s changed the ignored findings of %(subject)s")),
    "environment.restored": ("archive-off", _("%(who)s restored %(subject)s")),
    "use.reported": ("player-play", _("%(who)s reported a use of %(subject)s")),
    "use.ended": ("player-stop", _("%(who)s reported the end of a use of %(subject)s")),
    "connection.created": ("lock", _("%(who)s added the connection to %(subject)s")),
    "connection.replaced": ("lock", _("%(who)s replaced the password of the connection to %(subject)s")),
    "connection.deleted": ("trash", _("%(who)s deleted the connection to %(subject)s")),
    "member.added": ("users", _("%(who)s added %(subject)s as a member")),
    "member.changed": ("users", _("%(who)s changed the role of %(subject)s")),
    "member.removed": ("users", _("%(who)s removed %(subject)s")),
    "member.joined": ("users", _("%(who)s accepted an invitation")),
    "invitation.created": ("users", _("%(who)s created an invitation for the role %(subject)s")),
    "invitation.revoked": ("trash", _("%(who)s revoked an invitation for the role %(subject)s")),
    "member.left": ("user", _("%(who)s left the workspace")),
    "person.added": ("users", _("%(who)s created the account %(subject)s")),
    "person.joined": ("users", _("%(who)s signed in for the first time")),
    "person.closed": ("user", _("%(who)s closed the account %(subject)s")),
    "person.password": ("lock", _("%(who)s changed the password of %(subject)s")),
    "person.notifications": ("settings", _("%(who)s changed the notifications of %(subject)s")),
    "workspace.created": ("plus", _("%(who)s created the workspace %(subject)s")),
    "workspace.renamed": ("pencil", _("%(who)s renamed the workspace %(subject)s")),
    "webhook.created": ("plus", _("%(who)s added the webhook %(subject)s")),
    "webhook.changed": ("pencil", _("%(who)s changed the webhook %(subject)s")),
    "webhook.renewed": ("lock", _("%(who)s created a new secret for the webhook %(subject)s")),
    "webhook.tested": ("player-play", _("%(who)s sent a test to the webhook %(subject)s")),
    "webhook.sent_again": ("repeat", _("%(who)s sent a message to the webhook %(subject)s again")),
    "webhook.deleted": ("trash", _("%(who)s deleted the webhook %(subject)s")),
    "token.created": ("lock", _("%(who)s created the token %(subject)s")),
    "token.revoked": ("trash", _("%(who)s revoked the token %(subject)s")),
    "workspace.registry": ("arrow-up", _("%(who)s changed the registry of %(subject)s")),
    "workspace.pull": ("download", _("%(who)s changed who can pull images of %(subject)s")),
    "workspace.bytecode": ("settings", _("%(who)s changed the bytecode of images in %(subject)s")),
    "signing-key.revoked": ("settings", _("%(who)s revoked the signing key %(subject)s")),
    "workspace.import_test": ("settings", _("%(who)s changed the import test of images in %(subject)s")),
    "workspace.compression": ("settings", _("%(who)s changed the compression of images in %(subject)s")),
    "workspace.uploads": ("settings", _("%(who)s changed how old packages must be in %(subject)s")),
    "policy.rule": ("settings", _("%(who)s changed the rule “%(subject)s” of the policy")),
    "policy.excepted": ("plus", _("%(who)s excepted %(subject)s from the policy")),
    "policy.unexcepted": ("trash", _("%(who)s removed the exception for %(subject)s from the policy")),
    "triage.decided": ("circle-check", _("%(who)s recorded a decision about %(subject)s")),
    "triage.withdrawn": ("trash", _("%(who)s withdrew the decision about %(subject)s")),
    "triage.imported": ("arrow-up", _("%(who)s imported decisions about advisories: %(subject)s")),
    "workspace.limits": ("settings", _("%(who)s changed the limits of %(subject)s")),
    "bases.checked": ("refresh", _("%(who)s requested a check of the base images of %(subject)s")),
    "rebase.planned": ("refresh", _("%(who)s previewed a rebase of images on %(subject)s")),
    "rebase.started": ("refresh", _("%(who)s started a rebase of images on %(subject)s")),
    "rebase.cancelled": ("player-stop", _("%(who)s cancelled a rebase of images on %(subject)s")),
    "rebase.rebased": ("refresh", _("%(who)s rebased %(subject)s")),
    "images.cleaned": ("trash", _("%(who)s deleted unused images: %(subject)s")),
    "store.cleaned": ("trash", _("%(who)s requested a clean-up of the studio's store in %(subject)s")),
    "proposal.proposed": ("arrow-up", _("%(who)s proposed %(subject)s for the catalogue")),
    "proposal.answered": ("arrow-up", _("%(who)s proposed %(subject)s again")),
    "proposal.changes": ("pencil", _("%(who)s requested changes to %(subject)s")),
    "proposal.published": ("circle-check", _("%(who)s approved and published %(subject)s")),
    "proposal.refused": ("circle-x", _("%(who)s rejected %(subject)s")),
    "proposal.withdrawn": ("player-stop", _("%(who)s withdrew %(subject)s")),
    "proposal.trial": ("player-play", _("%(who)s requested an import test of %(subject)s")),
    "proposal.tried": ("player-play", _("Import test ended: %(subject)s")),
    "catalogue.deprecated": ("alert-triangle", _("%(who)s deprecated %(subject)s")),
    "catalogue.retired": ("archive", _("%(who)s retired %(subject)s")),
    "catalogue.kept": ("archive-off", _("%(who)s undid the deprecation of %(subject)s")),
    "build.requested": ("hammer", _("%(who)s requested a build of %(subject)s")),
    "build.joined": ("users", _("%(who)s joined the build of %(subject)s")),
    "build.left": ("user", _("%(who)s stopped waiting for %(subject)s")),
    "build.stopped": ("player-stop", _("%(who)s stopped the build of %(subject)s for everyone")),
    "build.succeeded": ("circle-check", _("Build succeeded: %(subject)s")),
    "build.failed": ("circle-x", _("Build failed: %(subject)s")),
    "build.cancelled": ("player-stop", _("%(who)s cancelled the build of %(subject)s")),
}

# The fields that events hold, before and after a change
FIELDS = {
    "active": _("Active"),
    "allow": _("Allowed licences"),
    "address": _("Address"),
    "anonymous_pull": _("Pull without signing in"),
    "at_once": _("Builds at once"),
    "base": _("Base image"),
    "by_mail": _("E-mail"),
    "bytecode": _("Bytecode"),
    "import_test": _("Import test"),
    "compression": _("Compression"),
    "days": _("Days"),
    "decision": _("Decision"),
    "deny": _("Denied licences"),
    "description": _("Description"),
    "disk": _("Disk space"),
    "email": _("Address"),
    "events": _("Events"),
    "exceptions": _("Exceptions"),
    "fixed": _("Only with a fix"),
    "justification": _("Justification"),
    "kind": _("Kind"),
    "kinds": _("Notifications"),
    "level": _("Level"),
    "limit": _("Age of packages"),
    "on": _("Retire on"),
    "origins": _("Allowed indexes and channels"),
    "opened": _("Open for sharing"),
    "protected_labels": _("Protected labels"),
    "queued": _("Builds in the queue"),
    "reason": _("Reason"),
    "receives_shares": _("Receives shared versions"),
    "registry": _("Registry"),
    "role": _("Role"),
    "rule": _("Rule"),
    "scope": _("Scope"),
    "severity": _("Severity"),
    "starts_on": _("From"),
    "until": _("Until"),
    "unknown": _("Unknown licences"),
    "seconds": _("Time per build"),
    "state": _("Import test"),
    "successor": _("Successor"),
    "tags": _("Tags"),
    "title": pgettext_lazy("of a workspace", "Title"),
}

# Fields that an event's sentence says already
IN_SENTENCE = {"archived", "stage", "version"}

# The outcomes of an image's import test
TRIALS = {
    "waiting": _("waiting"),
    "running": _("running"),
    "passed": _("passed"),
    "failed": _("failed"),
    "untried": _("could not run"),
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

# Steps between two versions of a package
LEVELS = {
    "major": pgettext_lazy("version", "major"),
    "minor": pgettext_lazy("version", "minor"),
    "patch": pgettext_lazy("version", "patch"),
}

STEPS = {
    "proposed": _("proposed it"),
    "answered": _("proposed a newer version:"),
    "changes": _("requested changes"),
    "published": _("approved and published it"),
    "refused": _("rejected it"),
    "withdrawn": _("withdrew it"),
}

FATES = {
    "replaced": _("replaced by a newer image"),
    "nobodys": _("no version has this content"),
    "older": _("used by older versions only"),
    "used": _("used recently"),
    "in-use": _("used by a run, model or deployment"),
    "proposed": _("proposed for the catalogue, under review"),
    "building": _("building now"),
    "shared": _("shared with another workspace, undecided"),
    "latest": _("used by the latest version of an environment"),
    "labelled": _("used by a version with a label"),
    "archived": _("used by an archived version, which keeps its image"),
}

# Fates of images in a rebase: (label, icon, colour)
REBASE_FATES = {
    "rebase": (_("To rebase"), "refresh", "queued"),
    "rebased": (_("Rebased"), "circle-check", "good"),
    "rebuild": (_("Needs a build"), "hammer", "warn"),
    "rebuilding": (_("Build requested"), "hammer", "running"),
    "refused": (_("Stays as it is"), "circle-x", "quiet"),
    "moved": (_("Replaced in the meantime"), "circle-dashed", "quiet"),
}

REBASE_STATES = {
    "planning": (_("Preparing the preview"), "loader-2", "running"),
    "ready": (_("Preview"), "info-circle", "note"),
    "running": (_("Running"), "loader-2", "running"),
    "done": (_("Done"), "circle-check", "good"),
    "cancelled": (_("Cancelled"), "player-stop", "quiet"),
    "failed": (_("Failed"), "circle-x", "bad"),
}

# Reasons not to rebase an image, by their codes; others are shown in the English that is stored.
REBASE_OBSTACLES = {
    "nobodys": _("No version has this content."),
    "dockerfile": _("Its base is built from a Dockerfile."),
    "pinned": _("Its definition pins the base image by digest. Save a version with the new one."),
    "floating": _("Its definition follows another tag. Save a version with the new base image."),
    "compiled": _("The Python of its base image compiled its modules."),
    "sources": _("Packages are built from source on its base image."),
    "plan": _("A build on the new base image would install its packages differently."),
    "python": _("The new base image has another Python."),
    "system": _("The new base image has another C library or architecture."),
    "glibc": _("The C library of the new base image is too old for its packages."),
    "cuda": _("The new base image lacks the CUDA that its packages need."),
    "unreadable": _("The store no longer has what a rebase takes."),
    "post-link": _("Its packages ran scripts on its base image."),
    "layers": _("It would have more layers than engines take."),
    "moved": _("A newer image replaced it in the meantime."),
    "same": _("It is on this base image already."),
    "not-pushed": _("Rebased, but its registry did not take it."),
}
