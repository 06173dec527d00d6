"""Where jobs run. Floor 3."""
