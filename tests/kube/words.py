"""The API server's words about names and labels that may not be, and the patterns behind them."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY = r"[-._a-zA-Z0-9]+"


def too_long(limit: int) -> str:
    """Of names, labels and their parts."""
    return f"must be no more than {limit} bytes"


def dns_label(value: str) -> list[str]:
    """Why it is no RFC 1123 label: names of namespaces, containers, volumes, hosts."""
    return _judged(
        value, 63, _LABEL,
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
        f"end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')",
    )  # fmt: skip


def dns_subdomain(value: str) -> list[str]:
    """Why it is no RFC 1123 subdomain: names of most objects."""
    return _judged(
        value, 253, _SUBDOMAIN,
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
        "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        f"'{_SUBDOMAIN}')",
    )  # fmt: skip


def dns_1035_label(value: str) -> list[str]:
    """Why it is no RFC 1035 label: names of Services."""
    return _judged(
        value, 63, _DNS_1035,
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        f"is '{_DNS_1035}')",
    )  # fmt: skip


def label_value(value: str) -> list[str]:
    """Why it is no value of a label."""
    return _judged(
        value, 63, _VALUE,
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
        "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        f"validation is '{_VALUE}')",
    )  # fmt: skip


def qualified_name(value: str) -> list[str]:
    """Why it is no key of a label or annotation."""
    prefix, slash, name = value.rpartition("/")
    found = []
    if slash and not prefix:
        found.append("prefix part must be non-empty")
    elif prefix:
        found += [f"prefix part {each}" for each in dns_subdomain(prefix)]
    if not name:
        return [*found, "name part must be non-empty"]
    return found + [
        f"name part {each}"
        for each in _judged(
            name, 63, _QUALIFIED,
            "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
            f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')",
        )
    ]  # fmt: skip


def config_key(value: str) -> list[str]:
    """Why it is no key of a ConfigMap or Secret."""
    return _judged(
        value, 253, _KEY,
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
        f"'KEY_NAME',  or 'key-name', regex used for validation is '{_KEY}')",
    )  # fmt: skip


def env_name(value: str) -> list[str]:
    """Why it is no name of an environment variable."""
    if value and all(" " <= letter <= "~" and letter != "=" for letter in value):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def _judged(value: str, limit: int, pattern: str, words: str) -> list[str]:
    found = [too_long(limit)] if len(value.encode()) > limit else []
    return found if re.fullmatch(pattern, value) else [*found, words]
