"""A Kubernetes API server for tests: its rules, its words, its faults; controllers that behave as the real ones do.

Import it as `kube` in tests (`tests/` is on the path) or start it as `python -m tests.kube --help`.
"""
