"""The HTTP layer below page and API: cookies, headers, compression, rate limits, sign-in, sockets."""
