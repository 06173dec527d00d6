"""From pods' logs to a job folder, each line once."""
