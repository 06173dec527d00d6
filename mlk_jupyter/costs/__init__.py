"""What accelerators cost, and who says so."""
