"""Tables of workspaces, environments and their activity, a module by topic.

- `workspaces`: Workspace, Member, Invitation, Role, Compression, Bytecode
- `environments`: Environment, Version, SourceFile, VersionLabel
- `badge_keys`: BadgeKey, a key in the address of an environment's badge
- `uploads`: UploadedBlob, the files that clients upload before they save a version
- `usage`: Usage, the runs, models and deployments that use a version
- `list_entries`: ListEntry, the row that lists sort; VersionEntry and RequestedPackage, which searches read
- `saved_views`: SavedView, Pin
- `identities`: Identity, AccessToken, Scope
- `connections`: Connection
- `events`: Event, EventGroup
- `notifications`: Notice, NoticePreferences, Webhook, Delivery
- `catalogue`: Proposal, ProposalStep, Deprecation
- `tour`: Tour, a person's progress after the first build
"""

from environments.models.badge_keys import BadgeKey
from environments.models.catalogue import OPEN, Deprecation, Proposal, ProposalStep, Stage
from environments.models.connections import Connection
from environments.models.environments import (
    Environment,
    EnvironmentQuerySet,
    SourceFile,
    Version,
    VersionLabel,
)
from environments.models.events import Event, EventGroup
from environments.models.identities import AccessToken, Identity, Scope
from environments.models.list_entries import ListEntry, RequestedPackage, VersionEntry
from environments.models.notifications import (
    MAILED_BY_DEFAULT,
    RETRY_DELAYS,
    Delivery,
    DeliveryState,
    Notice,
    NoticeKind,
    NoticePreferences,
    Webhook,
    retry_delay,
)
from environments.models.saved_views import Pin, SavedView
from environments.models.shares import Share, ShareState
from environments.models.tour import Tour
from environments.models.uploads import LONGEST_NAME, UploadedBlob
from environments.models.usage import Usage
from environments.models.workspaces import (
    CATALOGUE,
    Bytecode,
    Compression,
    ImportTest,
    Invitation,
    Member,
    Role,
    Workspace,
)

__all__ = [
    "CATALOGUE",
    "LONGEST_NAME",
    "MAILED_BY_DEFAULT",
    "OPEN",
    "RETRY_DELAYS",
    "AccessToken",
    "BadgeKey",
    "Bytecode",
    "Compression",
    "Connection",
    "Delivery",
    "DeliveryState",
    "Deprecation",
    "Environment",
    "EnvironmentQuerySet",
    "Event",
    "EventGroup",
    "Identity",
    "ImportTest",
    "Invitation",
    "ListEntry",
    "Member",
    "Notice",
    "NoticeKind",
    "NoticePreferences",
    "Pin",
    "Proposal",
    "ProposalStep",
    "RequestedPackage",
    "Role",
    "SavedView",
    "Scope",
    "Share",
    "ShareState",
    "SourceFile",
    "Stage",
    "Tour",
    "UploadedBlob",
    "Usage",
    "Version",
    "VersionEntry",
    "VersionLabel",
    "Webhook",
    "Workspace",
    "retry_delay",
]
