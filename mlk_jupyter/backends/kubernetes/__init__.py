"""Jobs on a Kubernetes cluster. Imported only where one is configured."""
