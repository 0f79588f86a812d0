"""Measure a rebase: `python -m bench.builds.rebase [--images 1000] [--packages 40]`.

Images of one base with these packages are put on its new digest, in the store alone and pushed to Debian's
docker-registry, with the names of their versions. Prints images and requests a second, processor time, and the bytes
that were sent.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.services import parts
from tests.services.servers.registry import Registry


class CachingRegistry(Registry):
    """A registry with the cache of Debian's own configuration file."""

    def config(self) -> dict[str, object]:
        config = super().config()
        storage = config["storage"]
        assert isinstance(storage, dict)
        return config | {"storage": storage | {"cache": {"blobdescriptor": "inmemory"}}}


def main() -> None:
    """Print two lines: for images in the store, and for images that are pushed too."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=1000)
    options.add_argument("--packages", type=int, default=40, help="in each image")
    options.add_argument("--profile", action="store_true", help="print the functions that take longest")
    options.add_argument(
        "--blob-cache",
        action="store_true",
        help="let the registry remember blobs in memory, as the configuration that Debian ships has it",
    )
    choice = options.parse_args()
    if reason := parts.REGISTRY.missing():
        print(reason)
        return
    with tempfile.TemporaryDirectory(prefix="bench-rebase-") as temporary:
        folder = Path(temporary)
        os.environ |= {
            "STUDIO_VAR": str(folder / "var"),
            "DJANGO_SETTINGS_MODULE": "studio.settings",
            "STUDIO_ALLOW_ADDRESSES": "loopback,private",
        }
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        registry = (CachingRegistry if choice.blob_cache else Registry)(folder / "registry")
        registry.start()
        try:
            for pushed in (False, True):
                measure(
                    folder, registry, choice.images, choice.packages, pushed=pushed, profile=choice.profile
                )
        finally:
            registry.stop()


def measure(
    folder: Path, registry: Registry, images: int, packages: int, *, pushed: bool, profile: bool
) -> None:
    """Make images, rebase them, and print how fast that was."""
    from builds.models import Image, RebasedImage
    from builds.models.rebases import Fate
    from builds.queue import rebases
    from builds.queue.registry_tags import missing_tags
    from builds.rebase.running import run_claimed
    from tests.builds.rebase.making import push_base

    base = f"{registry.address}/{'pushed' if pushed else 'local'}/python:3.11"
    made_in = fill(folder, registry, base, images, packages, pushed=pushed)
    push_base(folder, base, python="3.11.10", note="second")
    before = requests(registry)
    rebase = rebases.request_plan(None, base, base, None, start=True)
    claimed = rebases.claim_one(rebase.pk)
    assert claimed is not None
    began, spent, server = time.perf_counter(), cpu(), cpu_of(registry)
    if profile:
        import cProfile
        import pstats

        with cProfile.Profile() as profiler:
            run_claimed(claimed)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
    else:
        run_claimed(claimed)
    wall, used, served = time.perf_counter() - began, cpu() - spent, cpu_of(registry) - server
    done = RebasedImage.objects.filter(rebase=rebase, fate=Fate.REBASED, named=True).count()
    assert done == images, list(RebasedImage.objects.values_list("fate", "reason")[:3])
    assert not missing_tags()
    methods = requests(registry) - before
    sent = {how: methods[how] for how in sorted(methods)}
    kind = "pushed" if pushed else "local"
    print(
        f"{kind:7}{done / wall:7.1f} images/s  wall {wall:.1f} s, CPU {used:.1f} s here, {served:.1f} s registry"
        f" (both cores busy: {2 * done / (used + served):.0f} images/s)  {sent}  [made in {made_in:.0f} s]"
    )
    Image.objects.all().delete()


def fill(folder: Path, registry: Registry, base: str, images: int, packages: int, *, pushed: bool) -> float:
    """Make images that differ in their definitions only, one for each of as many environments; return the seconds."""
    from builds.models import PushedTag
    from builds.queue.registry_tags import claim, missing_tags, record_pushed
    from builds.worker.publish import push_missing_tags
    from builds.worker.steps import make_workshop
    from environments.models import Version
    from tests.builds.imaging.making import make_wheel
    from tests.builds.rebase.making import assemble_version, copy_to, push_base, save_version
    from tests.builds.scenarios import workspace_named

    began = time.perf_counter()
    PushedTag.objects.all().delete()
    Version.objects.all().delete()
    lab = workspace_named("lab")
    lab.registry = f"{registry.address}/images" if pushed else ""
    lab.save()
    push_base(folder, base)
    wheels = [
        make_wheel(folder / "wheels", f"pack{n}", files={f"pack{n}/a.py": f"x = {n}\n" * 9})
        for n in range(packages)
    ]
    first = assemble_version(save_version(base, name="e0", pip="pack0>=0.1"), *wheels)
    push_missing_tags(lambda logins: make_workshop(logins=logins))
    for number in range(1, images):
        copy_to(save_version(base, name=f"e{number}", pip=f"pack0>=0.0.{number}"), first)
    while tags := missing_tags():
        for tag in tags:
            row = claim(tag)
            assert row is not None
            record_pushed(row, tag)
    return time.perf_counter() - began


def requests(registry: Registry) -> Counter[str]:
    """Return the requests that the registry has logged, by method."""
    text = registry.log.read_text(errors="replace")
    return Counter(
        method for method in ("HEAD", "GET", "POST", "PUT") for _ in range(text.count(f'"{method} /v2/'))
    )


def cpu() -> float:
    """Return the seconds of processor time of this process and its children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def cpu_of(registry: Registry) -> float:
    """Return the seconds of processor time that the registry has used."""
    assert registry.process
    fields = Path(f"/proc/{registry.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
