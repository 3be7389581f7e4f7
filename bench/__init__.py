"""Measurements: how fast, and why. Installed as ``accelnn.bench``; ``accelnn bench`` runs it.

One question per file. Figures that are quoted anywhere come from a JSON file in ``results``.
"""
