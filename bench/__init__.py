"""Measurements: how fast, and why. Installed as ``accelnn.bench``; ``accelnn bench`` runs it.

One question per file. Figures that are quoted anywhere come from a JSON file in ``results``.
"""

if __name__ != "accelnn.bench":
    raise ImportError(f"this folder is the package accelnn.bench; import that, not {__name__!r}")
