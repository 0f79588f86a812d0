"""Build step 1 for Dockerfiles and build contexts: made by a Docker Engine, then an ordinary base.

The engine is given everything (base images, context) and gives back layers. It needs no registry, no mirror
and no credentials of its own, and keeps nothing but the base images it was given.
"""

from builds.engine.building import build_base

__all__ = ["build_base"]
