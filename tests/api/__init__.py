"""The REST API, the metrics and the health checks."""
