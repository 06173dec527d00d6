"""Looks at GPUs for all faces of a process, and remembers what it saw. Knows no web server."""
