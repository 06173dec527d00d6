"""A job as objects: rendered, created, started again, stopped, removed."""
