"""Tables of builds and images, a module by topic.

- `images`: Image, PushedTag, ImageLayer, ImagePackage, ImagePlatform, Package, BaseImage, LastSweep
- `advisories`: Advisory, AdvisoryName, AdvisoryRecord, AdvisorySource, AffectedPackage, PackageAdvisory,
  PackageDistribution, BaseContents, BasePackage, PastImage, PastPackage
- `builds`: Build, BuildRequest, Step
- `logs`: LogChunk, LogBlock
- `healing`: HealRun, HealItem
- `drift`: Drift
- `limits`: WorkspaceLimits
- `preview`: RebuildPreview
- `trial`: Trial
- `steps`: StepName, no table
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
from builds.models.preview import RebuildPreview
from builds.models.trial import PENDING, Trial, TrialState

__all__ = [
    "ACTIVE",
    "PENDING",
    "SEVERITIES",
    "Advisory",
    "AdvisoryName",
    "AdvisoryRecord",
    "AdvisorySource",
    "AffectedPackage",
    "BaseContents",
    "BaseImage",
    "BasePackage",
    "Build",
    "BuildRequest",
    "BuildState",
    "Drift",
    "HealItem",
    "HealRun",
    "HealState",
    "Image",
    "ImageLayer",
    "ImagePackage",
    "ImagePlatform",
    "LastSweep",
    "LogBlock",
    "LogChunk",
    "Package",
    "PackageAdvisory",
    "PackageDistribution",
    "PastImage",
    "PastPackage",
    "PushedTag",
    "RebuildPreview",
    "Severity",
    "Step",
    "Trial",
    "TrialState",
    "WorkspaceLimits",
    "seconds_between",
]
