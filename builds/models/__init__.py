"""Tables of builds and images, a module by topic.

- `images`: Image, PushedTag, ImageLayer, ImagePackage, ImagePlatform, Package, BaseImage, LastSweep
- `builds`: Build, BuildRequest, Step
- `logs`: LogChunk, LogBlock
- `limits`: WorkspaceLimits
- `preview`: RebuildPreview
- `trial`: Trial, SmokeTest
- `provenance`: SigningKey, Referrer
- `steps`: StepName, no table
"""

from builds.models.builds import ACTIVE, Build, BuildRequest, BuildState, Step, seconds_between
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
from builds.models.provenance import Referrer, SigningKey
from builds.models.trial import PENDING, SmokeTest, Trial, TrialState

__all__ = [
    "ACTIVE",
    "PENDING",
    "BaseImage",
    "Build",
    "BuildRequest",
    "BuildState",
    "Image",
    "ImageLayer",
    "ImagePackage",
    "ImagePlatform",
    "LastSweep",
    "LogBlock",
    "LogChunk",
    "Package",
    "PushedTag",
    "RebuildPreview",
    "Referrer",
    "SigningKey",
    "SmokeTest",
    "Step",
    "Trial",
    "TrialState",
    "WorkspaceLimits",
    "seconds_between",
]
