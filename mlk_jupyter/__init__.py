"""Run notebooks as distributed GPU jobs. See https://jupyter.org for the places this plugs into."""
