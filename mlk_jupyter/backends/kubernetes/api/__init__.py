"""One API server over HTTP: which there are, logins, requests, and what it answers, in words."""
