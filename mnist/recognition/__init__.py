"""Recognition: turns pictures into stored answers, by a network that can be replaced while it serves."""
