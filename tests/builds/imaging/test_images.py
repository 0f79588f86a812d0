"""The same lock gives the same image; what changes in the lock changes as little as it can."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from isal import igzip

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.bases.model import Base
from builds.imaging.download.integrity import undamaged
from builds.imaging.files import WheelFile
from builds.imaging.lock import Lock
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.packing.grouping import grouped, layer_budget
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel, unpacked


def image_of(workshop: Workshop, *wheels: Path, settings: ImageSettings | None = None) -> AssembledImage:
    lock, fetched = locked(*wheels)
    return assemble(empty_base(), lock, fetched, settings or ImageSettings(), workshop, Recorder())


def fresh(folder: Path, **options: Any) -> Workshop:
    return Workshop(store=BlobStore(folder / "store"), cache=folder / "cache", **options)


def config_of(workshop: Workshop, image: AssembledImage) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(workshop.store.read(image.config.digest))
    return result


def sources(count: int) -> dict[str, str]:
    """Return modules whose bytecode a careless compiler makes differ: sets, shared names, closures."""
    text = "def f(a, b={n}):\n    c = a in {{'x', 'y', 'z{n}'}}\n    return lambda: c\n"
    return {f"pack/module_{n}.py": text.format(n=n) * 20 for n in range(count)}


def test_the_same_lock_gives_the_same_image_from_empty_caches_on_any_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = [
        make_wheel(tmp_path, "pack", files=sources(200)),
        make_wheel(tmp_path),
        make_wheel(tmp_path, "zebra"),
    ]

    digests = {
        image_of(fresh(tmp_path / "one", jobs=1), *wheels).digest,
        image_of(fresh(tmp_path / "two", jobs=4), *wheels).digest,
        image_of(fresh(tmp_path / "three", jobs=2), *reversed(wheels)).digest,
    }
    digests.add(image_of(fresh(tmp_path / "four", jobs=2), *wheels).digest)

    assert len(digests) == 1


def test_a_wheel_that_a_process_cannot_pack_is_named(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, files={"../evil.py": ""})

    with pytest.raises(ImageError, match="would be written elsewhere") as refused:
        image_of(workshop, wheel)
    assert (refused.value.code, refused.value.fault) == ("bad-wheel", "outside")


def test_an_image_that_is_there_is_found_again_without_work(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path)
    first = image_of(workshop, wheel)

    second = image_of(workshop, wheel)

    assert not first.cached
    assert second.cached
    assert second.digest == first.digest
    assert second.size == first.size


def test_an_image_whose_layer_was_cleaned_away_is_made_again(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path)
    first = image_of(workshop, wheel)
    workshop.store.blob_path(first.layers[-1].digest).unlink()

    again = image_of(workshop, wheel)

    assert again.digest == first.digest
    assert not again.cached
    assert workshop.store.has(first.layers[-1].digest)


def test_a_packed_wheel_of_which_a_power_cut_left_nothing_is_packed_again(
    tmp_path: Path, workshop: Workshop
) -> None:
    shop, cart = make_wheel(tmp_path / "w"), make_wheel(tmp_path / "w", "cart")
    assemble(empty_base(), *locked(shop), ImageSettings(), workshop, Recorder())
    shutil.rmtree(workshop.cache / "buckets")
    (packed,) = workshop.folder("segments").glob("*.gz")
    packed.write_bytes(b"")

    image = assemble(empty_base(), *locked(shop, cart), ImageSettings(), workshop, Recorder())

    paths = [
        path for layer in image.layers for path in unpacked(workshop.store, layer.digest, tmp_path / "root")
    ]
    assert "opt/env/lib/python3.11/site-packages/shop/__init__.py" in paths


def test_a_damaged_copy_in_the_cache_is_thrown_away_and_not_blamed_on_the_package(
    tmp_path: Path, workshop: Workshop
) -> None:
    wheel = make_wheel(tmp_path)
    lock, fetched = locked(wheel)
    wheel.write_bytes(wheel.read_bytes()[:100])

    damaged = r"cache of shop-1.0-py3-none-any.whl was damaged"
    with pytest.raises(ImageError, match=damaged) as refused, undamaged(fetched):
        assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder())

    assert (refused.value.code, refused.value.fault) == ("digest-mismatch", "studio")
    assert not wheel.exists()


def test_a_package_that_was_never_whole_is_blamed_itself(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path)
    wheel.write_bytes(b"no zip file")
    lock, fetched = locked(wheel)

    with pytest.raises(ImageError, match="not a zip file") as refused, undamaged(fetched):
        assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder())

    assert refused.value.code == "bad-wheel"
    assert wheel.exists()


def test_one_more_small_package_changes_one_layer_and_one_of_bytecode(
    tmp_path: Path, workshop: Workshop
) -> None:
    wheels = [make_wheel(tmp_path, f"pack{n}", files={f"pack{n}.py": f"n = {n}\n"}) for n in range(30)]
    before = image_of(workshop, *wheels[1:])

    after = image_of(workshop, *wheels)

    changed = {layer.digest for layer in after.layers} - {layer.digest for layer in before.layers}
    assert len(changed) == 2


def test_an_environment_without_packages_is_an_image_too(workshop: Workshop, tmp_path: Path) -> None:
    image = image_of(workshop)

    paths = unpacked(workshop.store, image.layers[-1].digest, tmp_path / "root")
    assert "opt/env/pyvenv.cfg" in paths
    assert "PATH=/opt/env/bin:" in config_of(workshop, image)["config"]["Env"][0]


def test_a_base_without_python_is_used_as_it_is_when_nothing_is_installed(workshop: Workshop) -> None:
    base = empty_base()
    bare = replace(base, probe=base.probe.model_copy(update={"python": "", "version": ""}))

    image = assemble(bare, Lock(), locked()[1], ImageSettings(), workshop, Recorder())

    assert image.layers == ()
    assert config_of(workshop, image)["config"].get("Env") == []


def test_what_the_base_starts_with_is_kept_and_the_definition_has_the_last_word(workshop: Workshop) -> None:
    run = {
        "Env": ["PATH=/usr/bin", "LANG=C", "MODE=base"],
        "User": "app",
        "Cmd": ["serve"],
        "Labels": {"a": "b"},
    }
    base = replace(empty_base(), config={"config": run, "architecture": "amd64"})
    settings = ImageSettings(labels={"team": "vision"}, variables={"MODE": "mine"}, definition_hash="ab" * 16)

    image = assemble(base, Lock(), locked()[1], settings, workshop, Recorder())

    config = config_of(workshop, image)["config"]
    assert config["Env"] == ["PATH=/opt/env/bin:/usr/bin", "LANG=C", "MODE=mine", "VIRTUAL_ENV=/opt/env"]
    assert (config["User"], config["Cmd"]) == ("app", ["serve"])
    assert config["Labels"]["a"] == "b"
    assert config["Labels"]["team"] == "vision"
    assert config["Labels"]["io.environment-studio.definition"] == "ab" * 16
    assert config["Labels"]["org.opencontainers.image.base.name"] == "base.example/python:3.11"


@pytest.mark.parametrize(
    "variable", ["PATH=/opt/env/bin:/usr/bin", "VIRTUAL_ENV=/opt/env", "CONDA_PREFIX=/opt/env"]
)
def test_a_new_environment_hides_the_environment_of_the_base(
    tmp_path: Path, workshop: Workshop, variable: str
) -> None:
    """An image of this studio may be the base of another."""
    base = replace(empty_base(), config={"config": {"Env": [variable]}, "architecture": "amd64"})
    lock, fetched = locked(make_wheel(tmp_path))

    image = assemble(base, lock, fetched, ImageSettings(), workshop, Recorder())
    plain = assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder())
    as_it_is = assemble(base, Lock(), locked()[1], ImageSettings(environment=False), workshop, Recorder())

    assert unpacked(workshop.store, image.layers[0].digest, tmp_path / "first") == ["opt", "opt/.wh.env"]
    assert image.layers[1:] == plain.layers
    (path,) = (item for item in config_of(workshop, image)["config"]["Env"] if item.startswith("PATH="))
    assert path.count("/opt/env/bin") == 1
    assert as_it_is.layers == ()


def test_every_layer_is_what_its_diff_id_says(tmp_path: Path, workshop: Workshop) -> None:
    wheels = [make_wheel(tmp_path, "pack", files=sources(50)), make_wheel(tmp_path)]
    image = image_of(workshop, *wheels)

    result = []
    for layer in image.layers:
        with workshop.store.open(layer.digest) as file, igzip.open(file) as plain:  # type: ignore[no-untyped-call]
            result.append("sha256:" + hashlib.sha256(plain.read()).hexdigest())
    assert result == config_of(workshop, image)["rootfs"]["diff_ids"]


def test_no_path_is_twice_in_a_layer_even_when_two_packages_bring_the_same_file(
    tmp_path: Path, workshop: Workshop
) -> None:
    wheel = make_wheel(tmp_path, "one", files={"shared/__init__.py": "who = 'one'\n", "shared/one.py": ""})
    two = make_wheel(tmp_path, "two", files={"shared/__init__.py": "who = 'two'\n", "shared/two.py": ""})
    reporter = Recorder()
    lock, fetched = locked(wheel, two)

    image = assemble(empty_base(), lock, fetched, ImageSettings(), workshop, reporter)

    root = tmp_path / "root"
    for layer in image.layers:
        paths = unpacked(workshop.store, layer.digest, root)
        assert len(paths) == len(set(paths))
    site = root / "opt/env/lib/python3.11/site-packages"
    assert (site / "shared/__init__.py").read_text() == "who = 'one'\n"
    assert (site / "shared/one.py").exists()
    line = (
        "two and one both bring /opt/env/lib/python3.11/site-packages/shared/__init__.py: that of one is used"
    )
    assert line in reporter.log


def test_files_that_two_packages_bring_with_the_same_content_are_not_reported(
    tmp_path: Path, workshop: Workshop
) -> None:
    """As the packages of NVIDIA bring the same empty module."""
    wheels = [
        make_wheel(tmp_path, name, files={"nvidia/__init__.py": "", f"nvidia/{name}.py": ""})
        for name in ("cublas", "cudnn")
    ]
    reporter = Recorder()
    lock, fetched = locked(*wheels)

    assemble(empty_base(), lock, fetched, ImageSettings(), replace(workshop, bytecode="imported"), reporter)

    assert "both bring" not in reporter.log


def test_a_file_where_another_package_has_a_folder_is_refused(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, "one", files={"shared": "a file"})
    two = make_wheel(tmp_path, "two", files={"shared/two.py": ""})

    with pytest.raises(ImageError) as refused:
        image_of(workshop, wheel, two)

    assert refused.value.code == "package-clash"
    assert "site-packages/shared" in refused.value.message


def test_every_entry_is_roots_of_one_time_and_plain_modes(tmp_path: Path, workshop: Workshop) -> None:
    image = image_of(workshop, make_wheel(tmp_path, entry_points="[console_scripts]\nshop = shop:main\n"))

    with (
        workshop.store.open(image.layers[-1].digest) as file,
        tarfile.open(fileobj=file, mode="r:gz") as archive,
    ):
        entries = archive.getmembers()

    assert {(e.uid, e.gid, e.mtime) for e in entries} == {(0, 0, 315_619_200)}
    assert {e.mode for e in entries} == {0o644, 0o755}
    assert all(e.name == "opt" or e.name.startswith("opt/env") or e.name == "opt/env" for e in entries)


def test_the_budget_holds_for_many_big_wheels_and_deep_bases() -> None:
    many = [WheelFile(f"p{n}", "1", Path("x"), "0" * 64, 3_000_000 + n) for n in range(200)]

    for base_layers in (1, 60, 100, 117):
        budget = layer_budget(base_layers)
        grouping = grouped(many, budget)
        assert len(grouping.alone) + len(grouping.buckets) <= budget
        assert sum(map(len, grouping.buckets)) + len(grouping.alone) == 200


def test_a_hundred_small_packages_are_eight_layers_and_one_more_changes_one_of_them() -> None:
    """Each layer costs an engine time in a pull, even an empty layer."""
    small = [WheelFile(f"p{n}", "1", Path("x"), "0" * 64, 100_000) for n in range(100)]
    more = WheelFile("another", "1", Path("x"), "0" * 64, 100_000)

    before, after = grouped(small, layer_budget(1)), grouped([*small, more], layer_budget(1))

    assert len(before.buckets) == 8
    assert len(set(after.buckets) - set(before.buckets)) == 1


def test_a_base_that_leaves_no_room_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    layer = Descriptor(
        media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest="sha256:" + "1" * 64, size=1
    )
    deep: Base = replace(empty_base(), layers=(layer,) * 126, diff_ids=("sha256:" + "1" * 64,) * 126)
    lock, fetched = locked(make_wheel(tmp_path))

    with pytest.raises(ImageError, match="126 layers"):
        assemble(deep, lock, fetched, ImageSettings(), workshop, Recorder())


def test_progress_ends_with_everything_done(tmp_path: Path, workshop: Workshop) -> None:
    reporter = Recorder()
    lock, fetched = locked(make_wheel(tmp_path), make_wheel(tmp_path, "zebra"))

    assemble(empty_base(), lock, fetched, ImageSettings(), workshop, reporter)

    done, total, unit = reporter.steps[-1]
    assert (done, unit) == (total, "bytes")
    assert total == sum(wheel.size for wheel in fetched.wheels)


def test_a_python_that_is_not_on_this_machine_gets_no_bytecode_and_the_log_says_so(
    tmp_path: Path, workshop: Workshop
) -> None:
    base = empty_base()
    future = replace(base, probe=base.probe.model_copy(update={"version": "3.99.1"}))
    reporter = Recorder()
    lock, fetched = locked(make_wheel(tmp_path))

    image = assemble(future, lock, fetched, ImageSettings(), workshop, reporter)

    paths = [
        path for layer in image.layers for path in unpacked(workshop.store, layer.digest, tmp_path / "root")
    ]
    assert "opt/env/lib/python3.99/site-packages/shop/__init__.py" in paths
    assert not [path for path in paths if path.endswith(".pyc")]
    assert "no Python 3.99 is here to make it" in reporter.log
