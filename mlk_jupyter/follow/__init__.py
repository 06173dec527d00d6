"""Following jobs: who hears of changes, one job until its end, and the files of its record as they grow."""
