"""Support for tests, benchmarks and docs/screenshots.py: servers, visitors, strokes, pictures, a small retraining."""
