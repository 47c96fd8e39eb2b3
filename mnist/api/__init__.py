"""Everything that other programs request over HTTP: the REST API, the metrics and the health checks."""

from mnist.api.mounting import make_routes

__all__ = ["make_routes"]
