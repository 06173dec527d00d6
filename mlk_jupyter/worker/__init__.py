"""What runs inside a job. Floor 0: standard library only, nothing of ours imported, Python 3.9 or newer."""
