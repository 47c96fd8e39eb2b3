"""The REST API, the metrics and the health checks: what other programs ask of this process."""

from mnist.api.mounting import make_routes

__all__ = ["make_routes"]
