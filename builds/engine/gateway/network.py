"""Choose the network of code in containers, and say what is not confined."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.conf import settings

from builds.engine.connection import Engine
from builds.engine.gateway.link import PORT, gateway
from builds.imaging.egress import WayOut
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from builds.proxy.forward import ForwardProxy
from builds.proxy.limits import Limits

PROXY, NONE, DEFAULT = "proxy", "none", "default"
"""Values of STUDIO_BUILD_NETWORK: the worker's proxy only, nothing, and what the engine gives to every container."""

_URL = f"http://127.0.0.1:{PORT}"
_VARIABLES = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _URL)
_VARIABLES |= {"no_proxy": "", "NO_PROXY": ""}  # over what the operator's environment has
# Code may download data and models for as long as its build may take, which has a limit of its own.
_LIMITS = Limits(bytes=256 << 30, seconds=7 * 86400.0, connection_seconds=86400.0, idle_seconds=300.0)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Network:
    """A container's network as the engine names it, its environment, and the reporter for all that runs in it.

    The reporter ends the build at the first address that is refused.
    """

    mode: str
    reporter: Reporter
    variables: Mapping[str, str] = field(default_factory=dict)


def unconfined(engine: Engine) -> str:
    """Return why code in this engine's containers reaches more than the proxy, as a sentence; empty if it does not."""
    if settings.BUILD_NETWORK == NONE:
        return ""
    if settings.BUILD_NETWORK != PROXY:
        return f"STUDIO_BUILD_NETWORK gives it the Docker network “{settings.BUILD_NETWORK}”."
    ours = _ARCHITECTURES.get(platform.machine(), platform.machine())
    theirs = str(engine.api.version()["Arch"])
    if sys.platform != "linux" or ours != theirs:
        return f"The gateway is made of this machine's Python ({sys.platform}, {ours}); the engine runs on {theirs}."
    return ""


@contextmanager
def network_of(
    engine: Engine,
    workshop: Workshop,
    reporter: Reporter,
    *,
    urls: Iterable[str] = (),
    buildkit: bool = False,
) -> Iterator[Network]:
    """Give the network for the code of one build; leaving it ends its connections. Raises ImageError.

    `urls` are the indexes of the definition, which may be on this machine's loopback if the policy allows it.
    """
    if settings.BUILD_NETWORK != PROXY:
        yield Network(settings.BUILD_NETWORK, reporter)
    elif buildkit:
        yield _of_buildkit(reporter)
    elif reason := unconfined(engine):
        yield _unconfined(reason, reporter)
    else:
        with _by_proxy(engine, workshop, reporter, urls) as network:
            yield network


def _of_buildkit(reporter: Reporter) -> Network:
    """Return the network of RUN in BuildKit, which joins no container: the engine's own, or none."""
    if settings.REQUIRE_CONFINEMENT:
        reporter.line("RUN has no network here: this Dockerfile needs BuildKit, which cannot be confined.")
        return Network(NONE, reporter)
    reporter.line(
        "RUN is not confined here: this Dockerfile needs BuildKit, whose network the studio cannot choose."
    )
    return Network(DEFAULT, reporter)


def _unconfined(reason: str, reporter: Reporter) -> Network:
    if settings.REQUIRE_CONFINEMENT:
        raise ImageError(
            "cannot-confine",
            f"This worker cannot confine the network of code in containers. {reason}",
            "Run a worker on the engine's kind of machine, or set STUDIO_BUILD_NETWORK to a Docker network.",
            fault="studio",
        )
    reporter.line(f"The network of code in containers is not confined here. {reason}")
    return Network(DEFAULT, reporter)


@contextmanager
def _by_proxy(
    engine: Engine, workshop: Workshop, reporter: Reporter, urls: Iterable[str]
) -> Iterator[Network]:
    # The loopback of a machine is for its user, not for the code of packages.
    with (
        ForwardProxy(workshop.reach.without_loopback(urls), _LIMITS) as proxy,
        gateway(engine, proxy.port, reporter) as identifier,
    ):
        way_out = WayOut(proxy, reporter)
        try:
            yield Network(f"container:{identifier}", way_out, _VARIABLES)
        except Exception:
            way_out.check()  # a refused address is the better reason
            raise
        way_out.check()
