"""Keys that our server adds to the WSGI environ."""

LONGEST_HEADER = "model_performance_registry.longest_header"  # the length of the longest header
