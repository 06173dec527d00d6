"""What objects say of a job: phase, workers, timeline, and the reason in words. Pure."""
