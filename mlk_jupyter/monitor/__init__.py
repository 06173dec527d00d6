"""Who polls GPUs and keeps samples and the ledger: one a process, whatever the number of faces. Knows no web server."""
