"""Text of a cluster without what it should not repeat: a refusal of the API server echoes the whole pod. Pure."""

from __future__ import annotations

import re

LIMIT = 300
"""Characters of a foreign text that a person is shown."""

_SECRETS = re.compile(
    r"(?P<url>(?<=://)[^/\s@\"']+@)"
    r"|(?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}"
    r"|\b(?:sk-|ghp_|gho_|github_pat_|hf_|glpat-|xox[abp]-|AKIA|ASIA)[A-Za-z0-9_-]{8,}"
    r"|(?P<key>\b(?i:value|password|passwd|token|secret|api[_-]?key)\"?\s*[:=]\s*)(?:\"(?:[^\"\\]|\\.)*\"?|'[^']*'?)",
)
_CONTEXT = re.compile(r",? error found in #\d+ byte of .*", re.DOTALL)
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"?")
_LONGEST_QUOTE = 80


def redacted(text: str, limit: int = LIMIT) -> str:
    """A text of at most `limit` characters on one line, without objects, credentials and values of variables."""
    text = _CONTEXT.sub("", text[: 64 * 1024])
    text = _without_objects(text)
    text = _SECRETS.sub(_kept, text)
    text = _QUOTED.sub(lambda match: match[0] if len(match[0]) <= _LONGEST_QUOTE + 2 else '"…"', text)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _kept(match: re.Match[str]) -> str:
    return (match["scheme"] or match["key"] or "") + ("…@" if match["url"] else "…")


def _without_objects(text: str) -> str:
    """Replaces what stands in braces (Go's and JSON's way to print an object) unless it is short and holds no value."""
    kept: list[str] = []
    depth, start = 0, 0
    for place, letter in enumerate(text):
        if letter == "{":
            if depth == 0:
                kept.append(text[start:place])
                start = place
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
            if depth == 0:
                inside = text[start : place + 1]
                kept.append(inside if len(inside) <= 40 and ":" not in inside else "{…}")
                start = place + 1
    kept.append("{…}" if depth else text[start:])
    return "".join(kept)
