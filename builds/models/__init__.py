"""Tables of builds and images, a module by topic.

- `images`: Image, PushedTag, ImageLayer, ImagePackage, ImagePlatform, Package, BaseImage, LastSweep
- `builds`: Build, BuildRequest, Step
- `logs`: LogChunk, LogBlock
- `limits`: WorkspaceLimits
- `preview`: RebuildPreview
- `trial`: Trial
- `rebases`: BaseCheck, Rebase, RebasedImage, Fate, LastBaseCheck
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
from builds.models.rebases import BaseCheck, Fate, LastBaseCheck, Rebase, RebasedImage, RebaseState
from builds.models.trial import PENDING, Trial, TrialState

__all__ = [
    "ACTIVE",
    "PENDING",
    "BaseCheck",
    "BaseImage",
    "Build",
    "BuildRequest",
    "BuildState",
    "Fate",
    "Image",
    "ImageLayer",
    "ImagePackage",
    "ImagePlatform",
    "LastBaseCheck",
    "LastSweep",
    "LogBlock",
    "LogChunk",
    "Package",
    "PushedTag",
    "Rebase",
    "RebaseState",
    "RebasedImage",
    "RebuildPreview",
    "Step",
    "Trial",
    "TrialState",
    "WorkspaceLimits",
    "seconds_between",
]
