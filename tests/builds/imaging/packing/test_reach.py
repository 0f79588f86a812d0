"""The modules that imports reach from the requested packages: the same for every state of the cache."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from builds.imaging.files import WheelFile
from builds.imaging.packing.modules import Module
from builds.imaging.packing.reach import Reach, module_name
from builds.imaging.packing.segment import Segment

SITE = "opt/env/lib/python3.11/site-packages/"

Sources = Mapping[str, Mapping[str, list[str]]]
"""For each package, the imports of its modules by their paths."""


def wheel(name: str) -> WheelFile:
    return WheelFile(name, "1", Path(f"{name}.whl"), "0" * 64, 1)


def segment(name: str, paths: Mapping[str, object], commands: tuple[str, ...] = ()) -> Segment:
    return Segment(name, name, "1", {SITE + path: "" for path in paths}, None, None, commands)


def reached(
    sources: Sources,
    requested: set[str],
    *,
    known: Mapping[str, set[str]] | None = None,
    commands: tuple[str, ...] = (),
    everything: bool = False,
    seed: int = 0,
) -> set[str]:
    """Return the names of the reached modules. `known` were compiled before; batches end in any order."""
    chance = random.Random(seed)  # noqa: S311

    def modules(name: str, paths: set[str] | None = None) -> dict[str, Module]:
        return {
            SITE + path: Module("file", 0, 1, tuple(imports), "")
            for path, imports in sources[name].items()
            if paths is None or path in paths
        }

    reach = Reach(
        requested,
        SITE,
        lambda wheel, _: modules(wheel.name, (known or {}).get(wheel.name, set())),
        everything=everything,
    )
    for name, paths in sources.items():
        reach.add(wheel(name), segment(name, paths, commands if name in requested else ()))
    reach.start()
    under_way = []
    while True:
        while (batch := reach.take()) is not None:
            under_way.append(batch)
        if not under_way:
            break
        owner, batch_paths = under_way.pop(chance.randrange(len(under_way)))
        reach.done(owner, {path: modules(owner.name)[path] for path in batch_paths})
    return {module_name(path, SITE) for own in reach.reached().values() for path in own}


SHOP: Sources = {
    "shop": {
        "shop/__init__.py": ["till.open"],
        "shop/plot.py": [],
        "shop/_hidden.py": [],
        "shop/__main__.py": ["._used"],
        "shop/_used.py": [],
        "shop/deep/__init__.py": [],
        "shop/deep/deeper.py": [],
        "shop/tests/__init__.py": [],
    },
    "till": {
        "till/__init__.py": [],
        "till/open.py": [".drawer", "..elsewhere", "not_here"],
        "till/drawer.py": [],
        "till/never.py": [],
    },
}


def test_the_start_is_a_requested_package_with_its_public_modules() -> None:
    assert reached(SHOP, {"shop"}) == {
        "shop",
        "shop.plot",
        "shop.__main__",
        "shop._used",
        "shop.deep",
        "till",
        "till.open",
        "till.drawer",
    }


def test_what_commands_import_is_reached_with_the_packages_around_it() -> None:
    assert {"shop.deep.deeper", "till.never"} <= reached(
        SHOP, {"shop"}, commands=("shop.deep.deeper", "till.never")
    )


def test_nothing_is_reached_without_a_requested_package_and_all_if_all_is_wanted() -> None:
    assert reached(SHOP, set()) == set()
    assert len(reached(SHOP, set(), everything=True)) == 11


def test_a_package_deep_in_a_namespace_starts_at_its_own_top() -> None:
    sources: Sources = {
        "store": {"cloud/store/__init__.py": [], "cloud/store/public.py": [], "cloud/store/_own.py": []}
    }

    assert reached(sources, {"store"}) == {"cloud.store", "cloud.store.public"}


def test_of_two_modules_with_one_path_only_that_of_the_last_package_is_compiled_and_followed() -> None:
    sources: Sources = {
        "first": {"both.py": ["only_first"], "only_first.py": []},
        "last": {"both.py": ["only_last"], "only_last.py": []},
        "main": {"main.py": ["both"]},
    }
    for known in ({}, {"first": {"both.py"}}, {"last": {"both.py"}}):
        assert reached(sources, {"main"}, known=known) == {"main", "both", "only_last"}


@given(st.data())
def test_what_was_compiled_before_and_the_order_of_the_batches_change_nothing(data: st.DataObject) -> None:
    names = [f"p{n}" for n in range(data.draw(st.integers(1, 4)))]
    parts = [f"{name}.m{n}" for name in names for n in range(4)]
    imports = st.lists(st.sampled_from([*names, *parts, ".m0", "..", "json"]), max_size=4)
    sources = {
        name: {f"{name}/{file}.py": data.draw(imports) for file in ("__init__", "m0", "m1", "_m2", "m3")}
        for name in names
    }
    requested = set(data.draw(st.lists(st.sampled_from(names))))
    known = {
        name: set(data.draw(st.lists(st.sampled_from(sorted(paths))))) for name, paths in sources.items()
    }

    expected = reached(sources, requested)

    assert reached(sources, requested, known=known, seed=data.draw(st.integers(0, 9))) == expected
