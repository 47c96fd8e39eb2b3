"""What stands between the network and the application: cookies, headers, limits, sockets."""
