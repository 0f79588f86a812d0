"""Tables of workspaces, environments and their activity, a module by topic.

- `workspaces`: Workspace, Member, Role, Compression, Bytecode
- `environments`: Environment, Version, SourceFile
- `usage`: Usage, the runs, models and deployments that use a version
- `list_entries`: ListEntry, the row that lists sort and search
- `identities`: Identity, AccessToken, Scope
- `connections`: Connection
- `events`: Event, EventGroup
- `notifications`: Notice, NoticePreferences, Webhook, Delivery
- `catalogue`: Proposal, ProposalStep, Deprecation
"""

from environments.models.catalogue import OPEN, Deprecation, Proposal, ProposalStep, Stage
from environments.models.connections import Connection
from environments.models.environments import Environment, EnvironmentQuerySet, SourceFile, Version
from environments.models.events import Event, EventGroup
from environments.models.identities import AccessToken, Identity, Scope
from environments.models.list_entries import ListEntry
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
from environments.models.usage import Usage
from environments.models.workspaces import CATALOGUE, Bytecode, Compression, Member, Role, Workspace

__all__ = [
    "CATALOGUE",
    "MAILED_BY_DEFAULT",
    "OPEN",
    "RETRY_DELAYS",
    "AccessToken",
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
    "ListEntry",
    "Member",
    "Notice",
    "NoticeKind",
    "NoticePreferences",
    "Proposal",
    "ProposalStep",
    "Role",
    "Scope",
    "SourceFile",
    "Stage",
    "Usage",
    "Version",
    "Webhook",
    "Workspace",
    "retry_delay",
]
