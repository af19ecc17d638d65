"""Gentle lines: the wearing-down of rivers, rather than the cutting of them."""

from .geometry import bearing_changes, length, sinuosity, triangle_area
from .simplify import douglas_peucker, visvalingam
from .smooth import chaikin

__all__ = [
    "bearing_changes",
    "chaikin",
    "douglas_peucker",
    "length",
    "sinuosity",
    "triangle_area",
    "visvalingam",
]
