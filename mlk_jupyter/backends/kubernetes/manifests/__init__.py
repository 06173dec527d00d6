"""What every kind of job is made of: pods, environment, volumes, Services and policies, as manifests. Pure."""
