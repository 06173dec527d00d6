"""The Kubernetes kinds a job may be: one file a kind, all listed in `registry`. Pure."""
