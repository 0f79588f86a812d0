"""A software bill of materials of exact packages: CycloneDX and SPDX, each by its own library."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from environments.definition.packages.locked import CONDA, PIP, LockedPackage

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from license_expression import LicenseExpression
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

# The same packages give the same document: a moment of its own would make every export differ.
_NO_MOMENT = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TOOL = "environment-studio"
# The libraries import each other in circles: two threads must not load them at the same time.
_writing = threading.Lock()


def write(packages: Sequence[LockedPackage], format: str, name: str) -> str:
    """A bill of materials in JSON, in this format (`cyclonedx` or `spdx`)."""
    with _writing:
        return _cyclonedx(packages, name) if format == "cyclonedx" else _spdx(packages, name)


def package_url(package: LockedPackage) -> str:
    """The package's URL in the purl scheme."""
    kind = {CONDA: "conda", PIP: "pypi"}.get(package.ecosystem, "generic")
    qualifiers = ""
    if package.ecosystem == CONDA:
        channel = package.channel.rpartition("/")[2]
        parts = {"build": package.build, "channel": channel, "subdir": package.subdir}
        qualifiers = "&".join(f"{key}={quote(value, safe='')}" for key, value in parts.items() if value)
    text = f"pkg:{kind}/{quote(package.name, safe='')}@{quote(package.version, safe='')}"
    return f"{text}?{qualifiers}" if qualifiers else text


def _cyclonedx(packages: Sequence[LockedPackage], name: str) -> str:
    # Loaded here and not above: only an export needs it, and it takes as long to load as all the rest.
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    root = Component(name=name, type=ComponentType.CONTAINER, bom_ref="environment")
    packages = _once(packages)
    made = [_component(package) for package in packages]
    components = {package.name: component for package, component in zip(packages, made, strict=True)}
    bom = Bom(components=made)
    bom.serial_number = uuid5(NAMESPACE_URL, "\n".join(sorted(map(package_url, packages))))
    bom.metadata.component = root
    bom.metadata.timestamp = _NO_MOMENT
    requested = [
        component for package, component in zip(packages, made, strict=True) if package.requested
    ] or made
    bom.register_dependency(root, requested)
    for package, component in zip(packages, made, strict=True):
        needs = [
            components[other] for other in package.requires if other in components and other != package.name
        ]
        bom.register_dependency(component, needs)
    return str(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)) + "\n"


def _once(packages: Sequence[LockedPackage]) -> list[LockedPackage]:
    """Each package once; one of conda and one of pip may have the same name."""
    return list({(package.ecosystem, package.name): package for package in packages}.values())


def _component(package: LockedPackage) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import LicenseExpression
    from packageurl import PackageURL

    hashes = []
    if package.sha256:
        hashes.append(HashType(alg=HashAlgorithm.SHA_256, content=package.sha256))
    if package.md5:
        hashes.append(HashType(alg=HashAlgorithm.MD5, content=package.md5))
    url = package_url(package)
    references = []
    if package.url:
        references.append(ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(package.url)))
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=url,
        purl=PackageURL.from_string(url),
        hashes=hashes,
        external_references=references,
        licenses=[LicenseExpression(package.license)] if package.license else [],
    )


def _spdx(packages: Sequence[LockedPackage], name: str) -> str:
    from spdx_tools.spdx.model.actor import Actor, ActorType
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
    from spdx_tools.spdx.model.document import CreationInfo, Document
    from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package
    from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
    from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

    packages = _once(packages)
    serial = uuid5(NAMESPACE_URL, "\n".join(sorted(map(package_url, packages))))
    info = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id="SPDXRef-DOCUMENT",
        name=name,
        document_namespace=f"https://spdx.org/spdxdocs/{quote(name, safe='')}-{serial}",
        creators=[Actor(ActorType.TOOL, _TOOL)],
        created=_NO_MOMENT,
    )
    components, relationships = [], []
    # The number keeps names apart that differ in '_' and '-' only, which an SPDX id cannot tell apart.
    ids = {package.name: _id(number, package) for number, package in enumerate(packages, 1)}
    for number, package in enumerate(packages, 1):
        checksums = []
        if package.sha256:
            checksums.append(Checksum(ChecksumAlgorithm.SHA256, package.sha256))
        if package.md5:
            checksums.append(Checksum(ChecksumAlgorithm.MD5, package.md5))
        purl = ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", package_url(package))
        components.append(
            Package(
                spdx_id=_id(number, package),
                name=package.name,
                version=package.version,
                download_location=_spdx_location(package.url),
                files_analyzed=False,
                checksums=checksums,
                license_declared=_spdx_licence(package.license),
                external_references=[purl],
            )
        )
        relationships.append(
            Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, _id(number, package))
        )
        relationships += [
            Relationship(_id(number, package), RelationshipType.DEPENDS_ON, ids[other])
            for other in package.requires
            if other in ids and other != package.name
        ]
    stream = io.StringIO()
    document = Document(info, packages=components, relationships=relationships)
    write_document_to_stream(document, stream, validate=True)
    return json.dumps(json.loads(stream.getvalue()), indent=2) + "\n"


def _spdx_location(url: str) -> str | SpdxNoAssertion:
    """Return a URL if SPDX allows it as a location: addresses without a domain, such as localhost, it does not."""
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
    from spdx_tools.spdx.validation.uri_validators import validate_download_location

    return SpdxNoAssertion() if not url or validate_download_location(url) else url


def _spdx_licence(text: str) -> LicenseExpression | SpdxNoAssertion:
    from spdx_tools.common.spdx_licensing import spdx_licensing
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    # The text of a `LicenseRef-…` would have to be in the document.
    if not text or "LicenseRef-" in text:
        return SpdxNoAssertion()
    return spdx_licensing.parse(text)


def _id(number: int, package: LockedPackage) -> str:
    return f"SPDXRef-{number}-" + re.sub(r"[^A-Za-z0-9.-]", "-", package.name)
