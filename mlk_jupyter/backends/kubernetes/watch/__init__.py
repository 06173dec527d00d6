"""What a namespace holds of our jobs, kept in memory by one list and one watch a resource."""
