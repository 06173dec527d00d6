"""What speaks against a job on a cluster, one file a subject. All pure: each takes a `Case` and gives findings."""
