"""Labelled drawings in files: an export, the other forms that can be read, and the import."""
