"""From a base image and requirements to an OCI image on disk, without a container engine.

Plain Python, no Django. The steps of a build, in their order:

    workshop = Workshop(store=BlobStore(path), cache=path)
    base = find_base("host", workshop, reporter)
    lock = resolve(base, ["scikit-learn==1.5.2"], workshop, reporter, previous=None)
    wheels = fetch(lock, workshop, reporter)
    image = assemble(base, lock, wheels, ImageSettings(), workshop, reporter)
    problems = check_lock(lock, wheels)
    workshop.store.tag("default/azureml/azureml_<hash>:latest", image.descriptor)
"""

from builds.images.assemble import AssembledImage, ImageSettings, assemble
from builds.images.base import Base
from builds.images.bases import find_base
from builds.images.fetch import Fetched, fetch, measured
from builds.images.lock import Lock, LockedPackage
from builds.images.manifest import Descriptor
from builds.images.probe import Probe
from builds.images.push import Pushed, push
from builds.images.report import Cancelled, ImageError, Quiet, Reporter
from builds.images.resolve import resolve
from builds.images.store import BlobStore
from builds.images.verify import check_lock
from builds.images.workshop import Workshop

__all__ = [
    "AssembledImage",
    "Base",
    "BlobStore",
    "Cancelled",
    "Descriptor",
    "Fetched",
    "ImageError",
    "ImageSettings",
    "Lock",
    "LockedPackage",
    "Probe",
    "Pushed",
    "Quiet",
    "Reporter",
    "Workshop",
    "assemble",
    "check_lock",
    "fetch",
    "find_base",
    "measured",
    "push",
    "resolve",
]
