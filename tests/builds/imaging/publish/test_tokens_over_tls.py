"""Small requests to a real registry that is reached by TLS, and that wants a token for each repository."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from ssl import create_default_context
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from builds.imaging.oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from builds.imaging.publish.sender import Sender, Uploads
from builds.imaging.registry_client import Repository
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login
from tests.builds.imaging.serving import Answer, Server, basic
from tests.services import parts
from tests.services.servers.registry import Registry


class TokenRegistry(Registry):
    """Debian's registry behind TLS; tokens are signed by the key of its own certificate."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", "/CN=it"]
        argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate]  # type: ignore[list-item]
        subprocess.run(argv, check=True, capture_output=True)
        self.url = f"https://{self.address}"
        self.tokens = Server(self.token)
        self.scopes: list[list[str]] = []

    def config(self) -> dict[str, object]:
        tls = {"certificate": str(self.certificate), "key": str(self.key)}
        token = {"realm": f"{self.tokens.url}/token", "service": "it", "issuer": "us"}
        return super().config() | {
            "http": {"addr": self.address, "tls": tls},
            "auth": {"token": {**token, "rootcertbundle": str(self.certificate)}},
        }

    def answers(self) -> bool:
        try:
            context = create_default_context(cafile=str(self.certificate))
            return httpx.get(f"{self.url}/v2/", trust_env=False, verify=context).status_code == 401
        except httpx.TransportError:
            return False

    def token(self, request: BaseHTTPRequestHandler) -> Answer:
        """Give the rights that are requested to the user with the right password."""
        if request.headers.get("Authorization") != basic("studio:right"):
            return 401, {}, b""
        scopes = parse_qs(urlsplit(request.path).query)["scope"]
        self.scopes.append(scopes)
        parted = [scope.split(":") for scope in scopes]
        access = [{"type": kind, "name": name, "actions": what.split(",")} for kind, name, what in parted]
        now = int(time.time())
        claims: dict[str, object] = {"iss": "us", "aud": "it", "sub": "studio", "jti": "1", "access": access}
        own = "".join(self.certificate.read_text().splitlines()[1:-1])
        head: dict[str, object] = {"typ": "JWT", "alg": "RS256", "x5c": [own]}
        text = f"{part(head)}.{part(claims | {'iat': now, 'nbf': now - 60, 'exp': now + 600})}"
        key = load_pem_private_key(self.key.read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        signed = base64.urlsafe_b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).rstrip(b"=").decode()
        return 200, {}, json.dumps({"token": f"{text}.{signed}"}).encode()


def part(document: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenRegistry]:
    if reason := parts.REGISTRY.missing():
        pytest.skip(reason)
    registry = TokenRegistry(tmp_path / "tls")
    monkeypatch.setenv("SSL_CERT_FILE", str(registry.certificate))
    with registry.tokens.running():
        registry.start()
        try:
            yield registry
        finally:
            registry.stop()


def uploads_to(registry: TokenRegistry, name: str, user: str = "studio:right") -> Uploads:
    login = Login("registry", registry.url, *user.split(":"))
    return Uploads(Repository(registry.url, name, f"{registry.address}/{name}", login))


def image_in(workshop: Workshop) -> tuple[list[Descriptor], Descriptor, bytes]:
    store = workshop.store
    blobs = [store.put(b'{"os": "linux"}', OCI_CONFIG), store.put(b"layer" * 30_000, OCI_LAYER_GZIP)]
    config, layer = (blob.to_json() for blob in blobs)
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}
    body = json.dumps(document).encode()
    return blobs, store.put(body, OCI_MANIFEST), body


def test_blobs_and_manifests_are_sent_with_a_token_for_each_repository_and_mounted_from_another(
    workshop: Workshop, tls: TokenRegistry
) -> None:
    blobs, image, body = image_in(workshop)
    with closing(uploads_to(tls, "team/first")) as first:
        sender = Sender(first, workshop.store, {})
        assert [sender.push(blob) for blob in blobs] == ["sent", "sent"]
        sender.with_retries(lambda: first.put_manifest(image, body, "1"))
        second = first.beside("team/second")
        second.also_from = ("team/first",)
        other = Sender(second, workshop.store, {blob.digest: "team/first" for blob in blobs})
        assert [other.push(blob) for blob in blobs] == ["mounted", "mounted"]
        other.with_retries(lambda: second.put_manifest(image, body, "1"))
        assert second.manifest("1")[1].digest == image.digest

    both = ["repository:team/second:pull,push", "repository:team/first:pull"]
    assert tls.scopes == [["repository:team/first:pull,push"], both]
    # After a 401, requests go the light way again: httpx names itself.
    mounts = [line for line in tls.log.read_text().splitlines() if '"POST /v2/team/second/' in line]
    assert "python-httpx" not in mounts[-1]


def test_a_wrong_password_is_an_error_that_says_so(workshop: Workshop, tls: TokenRegistry) -> None:
    blobs, _, _ = image_in(workshop)
    registry = uploads_to(tls, "team/first", "studio:wrong")
    with closing(registry), pytest.raises(ImageError, match="not accepted"):
        Sender(registry, workshop.store, {}).push(blobs[0])


def test_a_certificate_that_nobody_trusts_is_not_talked_to(
    workshop: Workshop, tls: TokenRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with closing(uploads_to(tls, "team/first")) as registry, pytest.raises(httpx.TransportError):
        registry.has("blobs", f"sha256:{'0' * 64}")
    assert tls.scopes == []
