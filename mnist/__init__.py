"""Handwritten digits: read a drawing, keep it, learn from corrections."""
