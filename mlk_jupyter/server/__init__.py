"""The Jupyter server extension: REST and one websocket under `/mlk`. Thin: parse, one call, answer."""
