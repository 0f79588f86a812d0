"""Code in containers that looks for a way to what it must not reach: RUN of Dockerfiles, and sources of packages."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from builds.engine import build_base
from builds.engine.wheels.build import build_wheels
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.download.fetch import fetch
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from environments.definition import Definition
from environments.network.policy import LOCAL_POLICY, EgressPolicy
from tests.builds.engine.test_engine import PROGRAMS, Listener, added, push
from tests.builds.imaging.making import make_sdist
from tests.builds.imaging.serving import Answer, Index, Server
from tests.services.fixtures import HostWorkshop
from tests.services.parts import program
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry

METADATA = "169.254.169.254:80"
BUILDKIT = "--mount=type=tmpfs,target=/tmp/x "
TRY = """
RUN {flag}echo tried; for at in {addresses}; do \
(exec 3<>/dev/tcp/${{at%:*}}/${{at#*:}}) 2>> /tmp/errors && echo $at >> /tmp/reached; done; ls /tmp > /tmp/done
"""
# A request to a proxy by hand: the image has no program that makes any.
REQUEST = 'RUN exec 3<>/dev/tcp/127.0.0.1/3128 && printf "{method} {url} HTTP/1.0\\r\\n\\r\\n" >&3 && cat <&3 > /tmp/answer'
SOURCE = """
import socket, urllib.request
reached = []
for host, port in {addresses}:
    try:
        socket.create_connection((host, port), 3).close()
        reached.append(host)
    except OSError:
        pass
print("interfaces", [name for _, name in socket.if_nameindex()], flush=True)
print("reached", reached, flush=True)
print("answer", urllib.request.urlopen("{url}", timeout=30).read(), flush=True)
"""


@pytest.fixture(scope="module")
def mirror(docker_engine: DockerEngine, registry: Registry) -> Registry:
    push(docker_engine, registry, "shell", ("/bin/bash", *PROGRAMS))
    return registry


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, mirror: Registry, host_workshop: HostWorkshop) -> Workshop:
    workshop = host_workshop(tmp_path_factory.mktemp("containers"))
    return replace(workshop, mirrors={"docker.io": mirror.address})


@pytest.fixture
def internal() -> Iterator[Server]:
    """A server on all addresses of this machine, which code must not reach."""
    with Server(lambda request: (200, {}, b"secret"), "0.0.0.0").running() as server:  # noqa: S104
        yield server


@pytest.fixture
def outside(internal: Server) -> Iterator[Server]:
    """A server that code may reach, and that sends it to the other."""

    def answer(request: BaseHTTPRequestHandler) -> Answer:
        if request.path == "/moved":
            return 302, {"Location": f"http://127.0.0.1:{port_of(internal)}/"}, b""
        return 200, {}, b"public"

    with Server(answer).running() as server:
        yield server


@pytest.fixture
def neighbour(docker_engine: DockerEngine, mirror: Registry) -> Iterator[str]:
    """The address of another container, on the network that the engine gives to each by itself."""
    name = f"{mirror.address}/library/machine:shell"
    docker_engine.client.images.pull(name)
    container = docker_engine.client.containers.run(name, ["/bin/sleep", "600"], detach=True)
    container.reload()
    yield str(container.attrs["NetworkSettings"]["IPAddress"])
    container.remove(force=True)
    docker_engine.client.images.remove(name, force=True)


def port_of(server: Server) -> int:
    return int(server.address.rpartition(":")[2])


def addresses_of(server: Server, engine: DockerEngine) -> list[str]:
    """Return where a server is that listens on all addresses: loopback, the engine's bridge, the machine's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.77", 9))  # sends nothing; the kernel chooses the address
        own = probe.getsockname()[0]
    hosts = dict.fromkeys(["127.0.0.1", str(engine.network[1]), own])
    return [f"{host}:{port_of(server)}" for host in hosts]


def reaching(workshop: Workshop, server: Server, mirror: Registry) -> Workshop:
    """Return a workshop that reaches the registry and this server only."""
    return replace(workshop, reach=EgressPolicy.read([mirror.address, urlsplit(server.url).netloc]))


def build(engine: DockerEngine, workshop: Workshop, text: str) -> dict[str, bytes]:
    """Return the files that a Dockerfile on a base with a shell adds; built in any case."""
    whole = Definition(dockerfile=f'FROM machine:shell\nSHELL ["/bin/bash", "-c"]\n{text}\n')
    base = build_base(whole, workshop, Quiet(), docker_host=engine.host, fresh=True)
    return added(base, workshop.store)


def test_run_reaches_no_address_of_the_machine_and_no_other_container(
    docker_engine: DockerEngine, shop: Workshop, internal: Server, neighbour: str, settings: Settings
) -> None:
    addresses = [*addresses_of(internal, docker_engine), METADATA, f"{neighbour}:80"]
    text = TRY.format(flag="", addresses=" ".join(addresses))

    confined = build(docker_engine, shop, text)
    settings.BUILD_NETWORK = "default"
    free = build(docker_engine, shop, text)

    assert "tmp/reached" not in confined
    assert confined["tmp/errors"].count(b"unreachable") >= len(addresses) - 1
    # The same code with the engine's own network reaches this machine, and its neighbour, which listens on no port.
    assert f"{docker_engine.network[1]}:" in free["tmp/reached"].decode()
    assert f"{neighbour}/80: Connection refused" in free["tmp/errors"].decode()


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254"])
def test_the_proxy_of_run_refuses_what_the_policy_refuses(
    method: str, host: str, docker_engine: DockerEngine, shop: Workshop, internal: Server
) -> None:
    at = f"{host}:{port_of(internal)}"
    text = REQUEST.format(method=method, url=at if method == "CONNECT" else f"http://{at}/")

    # With the policy of a studio for its own user, to whom the loopback is allowed; to code it is not.
    with pytest.raises(ImageError) as refused:
        build(docker_engine, replace(shop, reach=LOCAL_POLICY), text)

    assert refused.value.code == "address-refused"
    assert internal.requests == []


def test_run_reaches_what_the_policy_allows(
    docker_engine: DockerEngine, shop: Workshop, mirror: Registry, outside: Server
) -> None:
    workshop = reaching(shop, outside, mirror)

    files = build(docker_engine, workshop, REQUEST.format(method="GET", url=f"{outside.url}/x"))

    assert files["tmp/answer"].endswith(b"public")


def test_a_refused_address_ends_the_build_also_where_run_goes_on(
    docker_engine: DockerEngine, shop: Workshop, mirror: Registry, internal: Server, outside: Server
) -> None:
    workshop = reaching(shop, outside, mirror)
    url = f"http://127.0.0.1:{port_of(internal)}/"

    with pytest.raises(ImageError) as refused:
        build(docker_engine, workshop, f"{REQUEST.format(method='GET', url=url)}\nRUN sleep 600")

    assert refused.value.code == "address-refused"


@contextmanager
def firewall(engine: DockerEngine) -> Iterator[None]:
    """Add the rules of docs/running.md, for the bridge of this engine; without Docker's own chains, in FORWARD."""
    iptables = [str(program("iptables")), "--wait"]
    with ExitStack() as stack:
        for chain in ("INPUT", "FORWARD"):
            rule = [chain, "-i", engine.bridge, "-j", "REJECT"]
            undo = [*iptables, "-D", *rule]
            engine.run([*iptables, "-I", *rule], undo=undo)
            stack.callback(engine.run, undo)
        yield


def test_a_firewall_rule_confines_buildkit_and_leaves_the_proxy(
    docker_engine: DockerEngine, shop: Workshop, mirror: Registry, internal: Server, outside: Server
) -> None:
    workshop = reaching(shop, outside, mirror)
    attempt = TRY.format(flag=BUILDKIT, addresses=" ".join(addresses_of(internal, docker_engine)))
    request = REQUEST.format(method="GET", url=f"{outside.url}/x")

    before = build(docker_engine, shop, attempt)
    with firewall(docker_engine):
        after = build(docker_engine, shop, attempt)
        by_proxy = build(docker_engine, workshop, request)

    assert "tmp/reached" in before
    assert "tmp/reached" not in after
    assert by_proxy["tmp/answer"].endswith(b"public")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index on the loopback, which the definition names."""
    (tmp_path / "index").mkdir()
    served = Index(tmp_path / "index")
    with served.server.running():
        yield served


@pytest.fixture(scope="module")
def base(shop: Workshop) -> Base:
    return find_base("host", shop, Quiet())


def build_source(
    code: str, name: str, index: Index, base: Base, workshop: Workshop, engine: DockerEngine
) -> str:
    """Return the log of building a source distribution that runs this code."""
    make_sdist(index.folder, name, code=code)
    lines = [
        f"--index-url {index.url}",
        f"--extra-index-url {workshop.index_url or 'https://pypi.org/simple'}",
        name,
    ]
    lock = resolve(base, lines, workshop, Quiet())
    listener = Listener()
    build_wheels(
        *(base, lock, fetch(lock, workshop, Quiet()), workshop, listener),
        docker_host=engine.host,
        lines=lines,
    )
    return "\n".join(listener.lines)


def test_a_source_reaches_the_indexes_of_its_definition_and_nothing_else_here(
    docker_engine: DockerEngine, index: Index, base: Base, shop: Workshop, internal: Server, neighbour: str
) -> None:
    ends = [*addresses_of(internal, docker_engine), METADATA, f"{neighbour}:80"]
    pairs = [(host, int(port)) for host, _, port in (end.partition(":") for end in ends)]
    code = SOURCE.format(addresses=pairs, url=f"{index.url}/studio-tests-curious/")

    log = build_source(code, "studio_tests_curious", index, base, shop, docker_engine)

    assert "interfaces ['lo']" in log
    assert "reached []" in log
    assert "studio_tests_curious-1.0.tar.gz" in log.partition("answer")[2]
    assert internal.requests == []


@pytest.mark.parametrize("path", ["", "moved"])
def test_a_source_that_goes_on_to_a_refused_address_ends_the_build(
    path: str,
    docker_engine: DockerEngine,
    index: Index,
    base: Base,
    shop: Workshop,
    internal: Server,
    outside: Server,
) -> None:
    url = f"{outside.url}/moved" if path else f"http://127.0.0.1:{port_of(internal)}/"
    policy = EgressPolicy.read(["loopback", "private", outside.address])
    code = f"import urllib.request\ntry:\n    urllib.request.urlopen({url!r})\nexcept OSError: pass\n"

    with pytest.raises(ImageError) as refused:
        build_source(
            code, f"studio_tests_rude{path}", index, base, replace(shop, reach=policy), docker_engine
        )

    assert refused.value.code == "address-refused"
    assert internal.requests == []


def test_what_code_in_containers_is_given_holds_no_password(
    docker_engine: DockerEngine, index: Index, base: Base, shop: Workshop
) -> None:
    code = "import os\nprint({n: v for n, v in os.environ.items() if 'proxy' in n.lower()}, flush=True)\n"

    log = build_source(code, "studio_tests_reader", index, base, shop, docker_engine)

    assert "'http_proxy': 'http://127.0.0.1:3128'" in log
    assert "@127.0.0.1" not in log
