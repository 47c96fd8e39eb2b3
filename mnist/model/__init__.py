"""The network, its weights file, and what its answers mean."""
