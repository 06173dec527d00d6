"""What runs inside a job. Standard library only, nothing of ours imported, Python 3.9 or newer."""
