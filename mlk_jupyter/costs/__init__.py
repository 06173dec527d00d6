"""Prices, what jobs and kernels cost by them, and the ledger that survives the objects."""
