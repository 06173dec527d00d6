"""What a cluster serves, what a person may do there, and the one table of what we call."""
