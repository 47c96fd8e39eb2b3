"""Handwritten digits: read a drawing, keep it, learn from corrections."""

__version__ = "0.2.0"
