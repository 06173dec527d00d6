"""Which files may go into a bundle: inside the notebook's folder, regular, no secrets."""

from __future__ import annotations

import fnmatch
import os
import stat
from pathlib import Path, PurePosixPath

from ..errors import BadInput

_SECRET_FILES = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "id_*", ".netrc", "_netrc", ".pypirc", ".npmrc", ".pgpass",
    ".git-credentials", ".htpasswd", ".dockercfg", "kubeconfig*", "*.kubeconfig", "credentials", "credentials.json",
    "service-account*.json", "client_secret*.json", "secrets.*", ".databrickscfg", ".boto", ".s3cfg",
    ".my.cnf", ".vault-token", "kaggle.json", "*.tfstate", "*.tfvars", "*.p8", "*.gpg", "*.asc",
    "jupyter_cookie_secret", "jupyter_server_config.json", ".*_history",
)  # fmt: skip
_SECRET_FOLDERS = frozenset(
    {
        ".ssh",
        ".aws",
        ".azure",
        ".config",
        ".databricks",
        ".docker",
        ".gcloud",
        ".git",
        ".gnupg",
        ".huggingface",
        ".hg",
        ".jupyter",
        ".kaggle",
        ".kube",
        ".mlflow",
        ".svn",
    }
)
# Names that start like a key but are code or text.
_NO_KEY = (".py", ".pyi", ".md", ".rst", ".ipynb")


def is_secret(name: str) -> bool:
    """Whether a relative path looks as if it held a secret: by its own name or a folder on its way."""
    parts = [part.casefold() for part in PurePosixPath(name.replace(os.sep, "/")).parts]
    if any(part in _SECRET_FOLDERS for part in parts):
        return True
    last = parts[-1] if parts else ""
    if last.endswith(_NO_KEY):
        return False
    return any(fnmatch.fnmatchcase(last, pattern) for pattern in _SECRET_FILES)


def inside(path: Path, root: Path) -> bool:
    """Whether a path, all links followed, is in a folder."""
    real, real_root = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    return real != real_root and real.is_relative_to(real_root)


def leads_to_secret(path: Path, root: Path) -> bool:
    """Whether a file in a folder looks like a secret, or is a link to one that does."""
    real, real_root = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    target = real.relative_to(real_root).as_posix() if real.is_relative_to(real_root) else real.name
    return is_secret(path.relative_to(root).as_posix()) or is_secret(target)


def named_files(names: list[str], root: Path) -> tuple[list[str], list[str]]:
    """The files that a person named, folders expanded, relative to the notebook's folder; and what was left out.

    Raises: BadInput for a name that is absolute, leads out of the folder, does not exist, or is no file or folder.
    """
    files: dict[str, None] = {}
    notices: list[str] = []
    for name in names:
        path = _checked(name, root)
        if path.is_dir():
            _walk(path, root, files, notices)
        elif stat.S_ISREG(path.stat().st_mode):
            _take(path, root, files, notices)
        else:
            raise BadInput(f"{name!r} is neither a file nor a folder.", hint="Name regular files in `files`.")
    return sorted(files), notices


def size_of(path: Path) -> int:
    """Bytes of a file.

    Raises: BadInput when it is gone or cannot be looked at.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise BadInput(
            f"{path.name} cannot be read: {error.strerror}.", hint="Check that it is still there."
        ) from error


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a regular file, at most `limit` + 1 bytes; never waits for a FIFO or a device.

    Raises: BadInput when it cannot be read or is no regular file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise BadInput(f"{path.name} is no regular file.", hint="Name regular files in `files`.")
            return file.read(limit + 1)
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror}.", hint="Check its permissions.") from error


def _checked(name: str, root: Path) -> Path:
    if not name.strip() or "\0" in name:
        raise BadInput(f"{name!r} is not the name of a file.", hint="Leave empty lines out of `files`.")
    if Path(name).is_absolute() or name.startswith("~"):
        raise BadInput(f"{name!r} is not relative to the notebook's folder.", hint="Write it relative to the notebook.")
    path = Path(os.path.normpath(root / name))
    if not path.is_relative_to(root) or (path != root and not inside(path, root) and path.exists()):
        raise BadInput(
            f"{name!r} leads out of the notebook's folder.", hint="Copy it into the folder, or read it where it is."
        )
    if not path.exists():
        raise BadInput(f"There is no file {name!r} in the notebook's folder.", hint="Correct the name in `files`.")
    return path


def _walk(folder: Path, root: Path, files: dict[str, None], notices: list[str]) -> None:
    for where, folders, names in os.walk(folder):
        for sub in sorted(folders):
            path = Path(where) / sub
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                notices.append(f"{relative} was left out: it is a link to a folder.")
            elif is_secret(relative):
                notices.append(f"{relative} was left out: it looks like a place for secrets.")
            elif sub != "__pycache__":
                continue
            folders.remove(sub)
        for name in sorted(names):
            _take(Path(where) / name, root, files, notices)


def _take(path: Path, root: Path, files: dict[str, None], notices: list[str]) -> None:
    name = path.relative_to(root).as_posix()
    if leads_to_secret(path, root):
        notices.append(f"{name} was left out: it looks like a secret. Pass secrets as environment variables.")
    elif not inside(path, root):
        notices.append(f"{name} was left out: it is a link that leads out of the notebook's folder.")
    elif not path.is_file():
        notices.append(f"{name} was left out: it is no regular file.")
    else:
        files[name] = None
