"""Pixels to the network's input: image files, ink, frames, photos of paper, several digits side by side."""
