"""What a cluster signals, in words with figures and a way out. Pure: plain objects in, `Reason` out."""
