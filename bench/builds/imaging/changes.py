"""The environments that are built: sizes, and the most frequent changes."""

from __future__ import annotations

SIZES = {
    "S": ["requests", "click", "pydantic", "rich", "jinja2"],
    "M": ["numpy", "pandas", "scikit-learn", "scipy", "matplotlib", "jupyterlab", "mlflow-skinny"],
}
# xgboost by its name of the same without GPU: the other brings 300 MB for one.
SIZES["L"] = [*SIZES["M"], "transformers", "xgboost-cpu", "lightgbm", "pyarrow"]
TORCH = "torch"
BUMPED = {"S": "rich==13.9.4", "M": "scikit-learn==1.7.2", "L": "scikit-learn==1.7.2"}
OTHERS = {"S": ["tqdm"], "M": ["tqdm", "seaborn"], "L": ["tqdm", "seaborn"]}
# It loads the system's libgomp, which slim bases lack, and so does this base.
NOT_IMPORTED = "lightgbm"
MODULES = {"mlflow-skinny": "mlflow", "scikit-learn": "sklearn", "xgboost-cpu": "xgboost"}

COLD = "cold"
SAME = "same, all layers looked up"
ADDED = "one package added"
SWAPPED = "one package bumped"
SHARES = "another, 80 % shared"
ROWS = [COLD, SAME, ADDED, SWAPPED, SHARES]


def requirements_of(row: str, size: str, packages: list[str]) -> list[str]:
    """Return the requirements of a row, given the pinned packages of the first row."""
    bumped = BUMPED[size]
    name = bumped.partition("==")[0]
    return {
        COLD: packages,
        SAME: packages,
        ADDED: [*packages, "tabulate==0.9.0"],
        SWAPPED: [bumped if p.startswith(f"{name}==") else p for p in packages],
        SHARES: [*packages[: -max(1, len(packages) // 5)], *OTHERS[size]],
    }[row]


def import_script(packages: list[str]) -> str:
    """Return a program that prints how long importing the packages takes."""
    names = [package.partition("==")[0] for package in packages]
    modules = ",".join(MODULES.get(name, name) for name in names if name != NOT_IMPORTED)
    return f"import time; t = time.perf_counter(); import {modules}; print(time.perf_counter() - t)"
