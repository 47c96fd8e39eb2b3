"""Retraining: turns people's labels into a candidate network, which becomes the next version or is rejected."""
