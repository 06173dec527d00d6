"""Secrets written out: values in the environment or the parameters can be read by all who may see the job."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from .....model.api import Finding
from .....text import listed
from .case import Case, error, warning

# As whole words of a variable's name: TOKENIZERS_PARALLELISM is no token.
_NAMES = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|PWD|CREDENTIALS?|APIKEY|"
    r"(?:API|ACCESS|PRIVATE|SECRET|ENCRYPTION|SIGNING|ACCOUNT)_?KEY(?:_ID)?|CONNECTION_STRING)(?:_\d+)?$"
)
_WORKING_DIRECTORIES = ("PWD", "OLDPWD")
_HARMLESS = re.compile(r"(?:|\d{1,9}|true|false|yes|no|on|off|none|null)", re.I)
# Files that hold it are no secret, nor are the words of a vocabulary such as <pad> or [MASK].
_POINTS_TO_ONE = re.compile(r"(?:~|\.{0,2})/[\w./@~-]+|<[^<>]{1,40}>|\[[^\[\]]{1,40}\]")
_VOCABULARY = re.compile(r"(?:^|_)(?:PAD|EOS|BOS|UNK|MASK|SEP|CLS|STOP|SPECIAL|IMAGE|NEXT|LAST|FIRST)_TOKEN$")
_PLACEHOLDER = re.compile(r"(?:empty|dummy|fake|test|example|changeme|change-me|xxx+|-+|placeholder|unused)", re.I)
_PREFIXES = re.compile(
    r"(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|dapi[0-9a-f]{32}|npm_[A-Za-z0-9]{36}|"
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.|-----BEGIN [A-Z ]*PRIVATE KEY-----)"
)
_URL_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@", re.I)
_RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_RANDOM_BITS = 4.0  # Shannon entropy of each character: hexadecimal has at most 4, English about 3


def check(case: Case) -> list[Finding]:
    return [*_environment(case), *_parameters(case)]


def is_secret(name: str, value: str) -> bool:
    """Whether a variable surely holds a secret, by its name or by the form of its value."""
    return _has_secret(value) or (_is_named_so(name, value) and not _is_doubtful(name, value))


def may_be_secret(name: str, value: str) -> bool:
    """Whether it may hold one: something to look at, nothing to refuse a job for."""
    return (_is_named_so(name, value) and _is_doubtful(name, value)) or seems_random(value)


def _is_named_so(name: str, value: str) -> bool:
    upper, text = name.upper(), value.strip()
    named = bool(_NAMES.search(upper)) and upper not in _WORKING_DIRECTORIES
    return named and not _HARMLESS.fullmatch(text) and not _POINTS_TO_ONE.fullmatch(text)


def _is_doubtful(name: str, value: str) -> bool:
    return bool(_VOCABULARY.search(name.upper()) or _PLACEHOLDER.fullmatch(value.strip()))


def seems_random(value: str) -> bool:
    """Whether a value looks like a key: long, without words, of letters and digits alike."""
    text = value.strip()
    if not _RANDOM.fullmatch(text) or "/" in text[:2] or not (re.search(r"\d", text) and re.search(r"[A-Za-z]", text)):
        return False
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) >= _RANDOM_BITS


def _has_secret(value: str) -> bool:
    return bool(_PREFIXES.search(value) or _URL_PASSWORD.search(value))


def _environment(case: Case) -> Iterator[Finding]:
    values = {**_mlflow_variables(case), **case.spec.env}
    sure = [name for name, value in values.items() if is_secret(name, value)]
    hint = "Put it into a Secret of the namespace and name that under `env_from`."
    if sure:
        text = f"{listed(sure)} would be readable by everybody who may see jobs in namespace {case.facts.namespace}."
        yield error("secret_in_env", text, hint, "env")
    perhaps = [name for name, value in values.items() if name not in sure and may_be_secret(name, value)]
    if perhaps:
        text = f"{listed(perhaps)} may hold a key; everybody who may see jobs can read it."
        yield warning("perhaps_secret_in_env", text, hint, "env")


def _mlflow_variables(case: Case) -> dict[str, str]:
    """MLflow's own settings that would go along without anybody having typed them."""
    return {
        variable["name"]: str(variable["value"])
        for container in case.pod.spec.get("containers") or []
        for variable in container.get("env") or []
        if str(variable.get("name")).startswith("MLFLOW_") and variable.get("value")
    }


def _parameters(case: Case) -> Iterator[Finding]:
    found = [name for name, value in case.spec.parameters.items() if isinstance(value, str) and _has_secret(value)]
    if found:
        text = f"Parameter {listed(found)} holds a secret: it would stand in the notebook and in the job's description."
        hint = "Read it in the notebook from an environment variable that comes out of a Secret (`env_from`)."
        yield error("secret_in_parameters", text, hint, "parameters")
    if any(map(_has_secret, case.spec.arguments)):
        text = "The script's arguments hold a secret: it would stand in the job's description."
        hint = "Read it in the script from an environment variable that comes out of a Secret (`env_from`)."
        yield error("secret_in_arguments", text, hint, "arguments")
