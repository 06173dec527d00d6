"""Which files may go into a bundle: inside the notebook's folder, regular, no secrets."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ..errors import BadInput
from ..model.texts import is_text

_SECRET_FILES = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "id_*", ".netrc", "_netrc", ".pypirc", ".npmrc", ".pgpass",
    ".git-credentials", ".htpasswd", ".dockercfg", "kubeconfig*", "*.kubeconfig", "credentials", "credentials.json",
    "service-account*.json", "client_secret*.json", "secrets.*", ".databrickscfg", ".boto", ".s3cfg",
    ".my.cnf", ".vault-token", "kaggle.json", "*.tfstate", "*.tfvars", "*.p8", "*.gpg", "*.asc",
    "jupyter_cookie_secret", "jupyter_server_config.json", ".*_history",
)  # fmt: skip
# Words that ordinary files bear as well: they count where nobody named the file itself.
_SECRET_WORDS = (
    "token", "secret", "password", "passwords", "passwd", "passphrase", "apikey", "api[-_]key", "access[-_]key",
    "accesskeys", "rootkey", "private[-_]key", "credential", "credentials",
)  # fmt: skip
_LIKE_SECRETS = tuple(
    f"{before}{word}{after}" for word in _SECRET_WORDS for before in ("", "*[-_. ]") for after in ("", "[-_. ]*")
)
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
LONGEST_PATH = 1024  # bytes of a path in a bundle: somewhere it is unpacked below a folder that has a path of its own
_PATH_HINT = "Rename it, or name in `files` what the job needs of its folder."


def is_secret(name: str, *, unnamed: bool = False) -> bool:
    """Whether a relative path looks as if it held a secret: by its own name or a folder on its way.

    Args: unnamed: the file goes along with its folder: nobody named it. `token.txt` counts then, too.
    """
    parts = [part.casefold() for part in PurePosixPath(name.replace(os.sep, "/")).parts]
    if any(part in _SECRET_FOLDERS for part in parts):
        return True
    last = parts[-1] if parts else ""
    if last.endswith(_NO_KEY):
        return False
    patterns = (*_SECRET_FILES, *_LIKE_SECRETS) if unnamed else _SECRET_FILES
    return any(fnmatch.fnmatchcase(last, pattern) for pattern in patterns)


def is_file(path: Path) -> bool:
    """Whether a regular file can be seen there; unlike `Path.is_file`, also of a name that is too long to ask for."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether a folder can be seen there, asked as `is_file`."""
    return os.path.isdir(path)  # noqa: PTH112


def inside(path: Path, root: Path) -> bool:
    """Whether a path, all links followed, is in a folder."""
    real, real_root = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    return real != real_root and real.is_relative_to(real_root)


def leads_to_secret(path: Path, root: Path, *, unnamed: bool = False) -> bool:
    """Whether a file in a folder looks like a secret, or is a link to one that does, as `is_secret`."""
    real, real_root = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    target = real.relative_to(real_root).as_posix() if real.is_relative_to(real_root) else real.name
    return any(is_secret(name, unnamed=unnamed) for name in (path.relative_to(root).as_posix(), target))


def unfit(name: str) -> str | None:
    """Why a relative path cannot stand in a bundle, in words; None when it can."""
    if not is_text(name):
        return "its name is not UTF-8 text"
    size = len(name.encode())
    return f"its path has {size:,} bytes, and {LONGEST_PATH:,} go along" if size > LONGEST_PATH else None


def readable(name: str) -> str:
    """A file's name as it may be shown and written down, whatever its bytes are; what is long is shortened."""
    text = os.fsencode(name).decode("utf-8", "replace") if _is_systems(name) else ascii(name)[1:-1]
    return text if len(text) <= 200 else f"{text[:200]}…"


def _is_systems(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def walk(
    folder: Path, enter: Callable[[Path], bool], unreadable: Callable[[Path, OSError], None]
) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those in it, each with the names of what lies in it but folders, sorted. However deep it goes.

    Args:
        enter:      whether a folder in it is to be looked into; links to folders are asked for, and never entered.
        unreadable: is told of a folder that cannot be looked into.
    """
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        try:
            with os.scandir(at) as entries:
                found = sorted((entry.name, entry.is_dir(), entry.is_symlink()) for entry in entries)
        except OSError as error:
            unreadable(at, error)
            continue
        inner = [at / name for name, is_folder, is_link in found if is_folder and enter(at / name) and not is_link]
        waiting += reversed(inner)
        yield at, [name for name, is_folder, _ in found if not is_folder]


def named_files(names: list[str], root: Path) -> tuple[list[str], list[str]]:
    """The files that a person named, folders expanded, relative to the notebook's folder; and what was left out.

    Raises: BadInput for a name that is absolute, leads out of the folder, does not exist, or is no file or folder, and
            for files in a named folder that cannot go along by their names.
    """
    files: dict[str, None] = {}
    notices: list[str] = []
    for at, name in enumerate(names):
        with of_entry(at):
            path, mode = _checked(name, root)
            if stat.S_ISDIR(mode):
                _walk(path, root, files, notices)
            elif stat.S_ISREG(mode):
                _take(path, root, files, notices)
            else:
                raise BadInput(f"{name!r} is neither a file nor a folder.", hint="Name regular files in `files`.")
    return sorted(files), notices


@contextmanager
def of_entry(at: int) -> Iterator[None]:
    """What is refused in it is refused because of one entry of a spec's `files`."""
    try:
        yield
    except BadInput as error:
        error.fields[f"files.{at}"] = error.detail
        raise


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


def _checked(name: str, root: Path) -> tuple[Path, int]:
    """Where a named file or folder is, and its mode."""
    shown = f"'{readable(name)}'"
    if not name.strip() or "\0" in name:
        raise BadInput(f"{name!r} is not the name of a file.", hint="Leave empty lines out of `files`.")
    if Path(name).is_absolute() or name.startswith("~"):
        raise BadInput(f"{shown} is not relative to the notebook's folder.", hint="Write it relative to the notebook.")
    path = Path(os.path.normpath(root / name))
    there = is_file(path) or is_folder(path)
    if not path.is_relative_to(root) or (path != root and there and not inside(path, root)):
        raise BadInput(
            f"{shown} leads out of the notebook's folder.", hint="Copy it into the folder, or read it where it is."
        )
    try:
        return path, path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = "Correct the name in `files`."
        raise BadInput(f"There is no file {shown} in the notebook's folder.", hint=hint) from error
    except OSError as error:
        hint = "Correct the name in `files`, or the file's permissions."
        raise BadInput(f"{shown} cannot be looked at: {error.strerror}.", hint=hint) from error


def _walk(folder: Path, root: Path, files: dict[str, None], notices: list[str]) -> None:
    def enter(path: Path) -> bool:
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            notices.append(f"{readable(name)} was left out: it is a link to a folder.")
        elif is_secret(name):
            notices.append(f"{readable(name)} was left out: it looks like a place for secrets.")
        else:
            check_name(name)
            return path.name != "__pycache__"
        return False

    def unreadable(path: Path, error: OSError) -> None:
        name = path.relative_to(root).as_posix()
        notices.append(f"{readable(name)} was left out: it cannot be looked into ({error.strerror}).")

    for where, names in walk(folder, enter, unreadable):
        for name in names:
            _take(where / name, root, files, notices, unnamed=True)


def _take(path: Path, root: Path, files: dict[str, None], notices: list[str], *, unnamed: bool = False) -> None:
    name = path.relative_to(root).as_posix()
    shown = readable(name)
    if leads_to_secret(path, root, unnamed=unnamed):
        sure = not unnamed or leads_to_secret(path, root)
        hint = "Pass secrets as environment variables." if sure else "If it is none, name the file itself in `files`."
        notices.append(f"{shown} was left out: it looks like a secret. {hint}")
    elif not inside(path, root):
        notices.append(f"{shown} was left out: it is a link that leads out of the notebook's folder.")
    elif not is_file(path):
        notices.append(f"{shown} was left out: it is no regular file.")
    else:
        check_name(name)
        files[name] = None


def check_name(name: str) -> None:
    """Raises: BadInput for a path that cannot stand in a bundle, nor in a spec."""
    why = unfit(name)
    if why is not None:
        raise BadInput(f"{readable(name)} cannot go along: {why}.", hint=_PATH_HINT)
