"""What a proxy in front keeps from outsiders, in each way that somebody may write it."""

CLOSED = [
    "/metrics",
    "/metrics/",
    "//metrics",
    "/%6detrics",
    "/METRICS",
    "/_stcore/metrics",
    "/_stcore/script-health-check",
    "/_stcore/agent/openapi.json",
    "/page/_stcore/metrics",
    "/_stcore/stream/../metrics",
]
