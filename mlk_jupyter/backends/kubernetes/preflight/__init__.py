"""What speaks against a job before it is created."""
