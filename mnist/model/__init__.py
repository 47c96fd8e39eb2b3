"""The network, its weights file, and the meaning of its outputs."""
