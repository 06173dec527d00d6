"""The record of a job: the files it leaves behind, and what its frames add up to."""
