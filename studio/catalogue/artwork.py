"""The drawings of the catalogue's cards: one per framework or topic, in `static/icons/catalogue.svg`."""

from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

GENERAL = "layers"
# The topics that a proposal may choose, stored as the tag `topic`; each is the name of a drawing.
TOPICS: dict[str, str | Promise] = {
    "network": _("Deep learning"),
    "classes": _("Machine learning"),
    "table": _("Data frames and SQL"),
    "cluster": _("Distributed computing"),
    "language": _("Text and language"),
    "vision": _("Images and video"),
    "sound": _("Speech and sound"),
    "series": _("Time series"),
    "serving": _("Serving models"),
    "notebook": _("Notebooks"),
    GENERAL: _("General"),
}
# Framework: its name as people write it, and its drawing
FRAMEWORKS = {
    "pytorch": ("PyTorch", "descent"),
    "tensorflow": ("TensorFlow", "tensor"),
    "keras": ("Keras", "network"),
    "jax": ("JAX", "descent"),
    "scikit-learn": ("scikit-learn", "classes"),
    "xgboost": ("XGBoost", "trees"),
    "lightgbm": ("LightGBM", "trees"),
    "catboost": ("CatBoost", "trees"),
    "transformers": ("Transformers", "language"),
    "spacy": ("spaCy", "language"),
    "dask": ("Dask", "cluster"),
    "ray": ("Ray", "cluster"),
    "spark": ("Spark", "cluster"),
    "polars": ("Polars", "table"),
    "pandas": ("pandas", "table"),
    "mlflow": ("MLflow", "serving"),
    "onnx": ("ONNX", "serving"),
    "jupyter": ("Jupyter", "notebook"),
}
OTHER = "other"
# Names that tags and packages have beside the framework's own
_ALIASES = {
    "torch": "pytorch",
    "sklearn": "scikit-learn",
    "huggingface": "transformers",
    "jupyterlab": "jupyter",
    "pyspark": "spark",
    "onnxruntime": "onnx",
    "none": OTHER,
    "": OTHER,
}


def framework_of(tags: Mapping[str, object], packages: Iterable[str]) -> str:
    """Return the framework of an environment: its tag, else the first known framework among its packages."""
    tag = str(tags.get("framework", "")).strip().lower()[:40]
    if tag:
        return _ALIASES.get(tag, tag)
    names = (_ALIASES.get(name, name) for name in (package.partition("[")[0] for package in packages))
    return next((name for name in names if name in FRAMEWORKS), OTHER)


def framework_label(framework: str) -> str:
    """Return a framework's name as people write it."""
    return FRAMEWORKS[framework][0] if framework in FRAMEWORKS else framework


def drawing_of(tags: Mapping[str, object], framework: str) -> str:
    """Return the drawing of an environment: that of its topic, else of its framework."""
    topic = str(tags.get("topic", ""))
    if topic in TOPICS:
        return topic
    return FRAMEWORKS[framework][1] if framework in FRAMEWORKS else GENERAL
