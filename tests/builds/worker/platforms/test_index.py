"""The index of an image for several platforms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble, indexed
from builds.imaging.bases.model import Base, Bases
from builds.imaging.oci.index import manifests_of
from builds.imaging.oci.store import BlobStore
from builds.imaging.workshop import Workshop
from builds.worker.install_plan import InstallPlan
from builds.worker.platforms.index import image_row, whole_image
from builds.worker.platforms.targets import Made, Target
from environments.definition.model import Definition
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked

DEFINITION = Definition(image="base:1", other_platforms=("linux/arm64",))


def base(architecture: str) -> Base:
    plain = empty_base()
    digest = f"sha256:{architecture.encode().hex():0<64}"
    probe = plain.probe.model_copy(update={"architecture": architecture})
    return replace(plain, digest=digest, probe=probe)


def made(architecture: str, workshop: Workshop, *, both: bool = False) -> Made:
    """Return the image of a platform; `both` for one in two compressions, which labels stand in for."""
    lock, fetched = locked()

    def image(label: str) -> AssembledImage:
        settings = ImageSettings(labels={"compression": label})
        return assemble(base(architecture), lock, fetched, settings, workshop, Recorder())

    plain = image("gzip")
    whole = indexed({"gzip": plain, "zstd": image("zstd")}, workshop) if both else plain
    target = Target(f"linux/{architecture}", base(architecture), InstallPlan((), ("x",), ""), lock=lock)
    return Made(target, whole)


def workshop_in(folder: Path) -> Workshop:
    return Workshop(store=BlobStore(folder / "store"), cache=folder / "cache")


def test_an_index_has_the_platforms_by_name_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    arm, intel = made("arm64", workshop), made("amd64", workshop)

    whole = whole_image([arm, intel], workshop)

    assert whole.digest == whole_image([intel, arm], workshop_in(tmp_path)).digest
    platforms = [manifest.platform for manifest in manifests_of(workshop.store, whole.descriptor)]
    assert platforms == [{"architecture": name, "os": "linux"} for name in ("amd64", "arm64")]
    assert whole_image([intel], workshop) is intel.image


def test_the_row_describes_the_first_platform_and_each_in_its_parts(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    arm, intel = made("arm64", workshop), made("amd64", workshop)
    bases = Bases("sha256:" + "9" * 64, (intel.target.base, arm.target.base))

    row = image_row(DEFINITION, bases, [arm, intel], whole_image([arm, intel], workshop), workshop)

    assert (row["base_digest"], row["platforms"]) == (bases.digest, "linux/amd64,linux/arm64")
    assert [(part["platform"], part["digest"], part["base_digest"]) for part in row["parts"]] == [
        ("linux/amd64", intel.image.digest, intel.target.base.digest),
        ("linux/arm64", arm.image.digest, arm.target.base.digest),
    ]


def test_platforms_in_two_compressions_are_one_index_with_gzip_first_on_each(tmp_path: Path) -> None:
    workshop = workshop_in(tmp_path)
    each = [made(name, workshop, both=True) for name in ("amd64", "arm64")]

    whole = whole_image(each, workshop)

    manifests = manifests_of(workshop.store, whole.descriptor)
    architectures = [(manifest.platform or {})["architecture"] for manifest in manifests]
    assert architectures == ["amd64", "amd64", "arm64", "arm64"]
    assert [bool(manifest.annotations) for manifest in manifests] == [False, True, False, True]
    assert list(whole.others) == ["zstd", "linux/arm64", "linux/arm64 zstd"]
    parts = image_row(DEFINITION, Bases(whole.digest, ()), each, whole, workshop)["parts"]
    assert [part["digest"] for part in parts] == [manifests[0].digest, manifests[2].digest]
