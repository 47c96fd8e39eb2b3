"""Drawings to train on: digits in many styles, and things that are no digit, drawn by a pen of ours."""
