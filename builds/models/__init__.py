"""Tables of builds and images, a module by topic.

- `images`: Image, PushedTag, ImageLayer, ImagePackage, ImagePlatform, Package, BaseImage, LastSweep
- `advisories`: Advisory, AdvisoryName, AdvisoryRecord, AdvisorySource, AffectedPackage, PackageAdvisory,
  PackageDistribution, BaseContents, BasePackage, PastImage, PastPackage
- `builds`: Build, BuildRequest, Step
- `logs`: LogChunk, LogBlock
- `healing`: HealRun, HealItem
- `drift`: Drift
- `limits`: WorkspaceLimits
- `policies`: PolicyRule, PolicyException, Triage
- `preview`: RebuildPreview
- `trial`: Trial, SmokeTest
- `provenance`: SigningKey, Referrer
- `rebases`: BaseCheck, Rebase, RebasedImage, Fate, LastBaseCheck
- `steps`: StepName, no table
- `many`: statements for many rows, no table
"""

from builds.models.advisories import (
    SEVERITIES,
    Advisory,
    AdvisoryName,
    AdvisoryRecord,
    AdvisorySource,
    AffectedPackage,
    BaseContents,
    BasePackage,
    PackageAdvisory,
    PackageDistribution,
    PastImage,
    PastPackage,
    Severity,
)
from builds.models.builds import ACTIVE, Build, BuildRequest, BuildState, Step, seconds_between
from builds.models.drift import Drift
from builds.models.healing import HealItem, HealRun, HealState
from builds.models.images import (
    BaseImage,
    Image,
    ImageLayer,
    ImagePackage,
    ImagePlatform,
    LastSweep,
    Package,
    PushedTag,
)
from builds.models.limits import WorkspaceLimits
from builds.models.logs import LogBlock, LogChunk
from builds.models.policies import (
    Justification,
    Level,
    PolicyException,
    PolicyRule,
    RuleName,
    Triage,
    TriageState,
)
from builds.models.preview import RebuildPreview
from builds.models.provenance import Referrer, SigningKey
from builds.models.rebases import BaseCheck, Fate, LastBaseCheck, Rebase, RebasedImage, RebaseState
from builds.models.trial import PENDING, SmokeTest, Trial, TrialState

__all__ = [
    "ACTIVE",
    "PENDING",
    "SEVERITIES",
    "Advisory",
    "AdvisoryName",
    "AdvisoryRecord",
    "AdvisorySource",
    "AffectedPackage",
    "BaseCheck",
    "BaseContents",
    "BaseImage",
    "BasePackage",
    "Build",
    "BuildRequest",
    "BuildState",
    "Drift",
    "Fate",
    "HealItem",
    "HealRun",
    "HealState",
    "Image",
    "ImageLayer",
    "ImagePackage",
    "ImagePlatform",
    "Justification",
    "LastBaseCheck",
    "LastSweep",
    "Level",
    "LogBlock",
    "LogChunk",
    "Package",
    "PackageAdvisory",
    "PackageDistribution",
    "PastImage",
    "PastPackage",
    "PolicyException",
    "PolicyRule",
    "PushedTag",
    "Rebase",
    "RebaseState",
    "RebasedImage",
    "RebuildPreview",
    "Referrer",
    "RuleName",
    "Severity",
    "SigningKey",
    "SmokeTest",
    "Step",
    "Triage",
    "TriageState",
    "Trial",
    "TrialState",
    "WorkspaceLimits",
    "seconds_between",
]
