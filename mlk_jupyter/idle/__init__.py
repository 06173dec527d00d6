"""Idle kernels: signals, policy, state machine, stopping. Knows no web server: `server` brings it one."""
