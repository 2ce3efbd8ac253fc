"""Text-guided image saliency, reproducibly.

The names a notebook needs are imported on first use, so that ``import csalgan`` stays quick::

    dataset = csalgan.open_dataset("data/sjtu-tis")
    job = csalgan.open_job(profile="demo")
    saliency = csalgan.predict("photo.jpg", "A dog on the sofa")
"""

from importlib import import_module

_LAZY = {
    "open_dataset": "csalgan.data",
    "open_job": "csalgan.experiment.job",
    "load_profile": "csalgan.config",
    "get_encoder": "csalgan.text",
    "predict": "csalgan.prediction",
    "CsalganError": "csalgan.files.errors",
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str):
    if name == "__version__":
        from importlib.metadata import version

        return version("csalgan")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'csalgan' has no attribute {name!r}")
