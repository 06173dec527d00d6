"""What "fast" means here, measured: `python -m benchmarks` prints one JSON array of rows."""
