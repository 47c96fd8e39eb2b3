"""What tests, benchmarks and the pictures of the documents share: servers, visitors, strokes, drawings."""
