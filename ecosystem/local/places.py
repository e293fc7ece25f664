"""Where the embedded services keep their files, and as which user they run."""

import hashlib
import os
import pwd
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# A unix socket's address holds 104 bytes on macOS and 108 on Linux.
SOCKET_PATH_LIMIT = 100
ROOTS_FOR_CLOSED_HOMES = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - a private folder is made below it
DATABASE = "portal"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the machine."""

    uid: int
    gid: int


def reachable(path: Path, uid: int) -> bool:
    """Say whether a user other than root may walk to a path (its missing tail does not count)."""
    for folder in (path, *path.parents):
        try:
            status = folder.stat()
        except FileNotFoundError:
            continue
        needed = stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Places:
    """Every path of one data folder."""

    var: Path

    @classmethod
    def of(cls, var: Path) -> "Places":
        """Return the places of a data folder named relatively or absolutely."""
        return cls(Path(os.path.abspath(var)))

    @property
    def run(self) -> Path:
        """Locks and state of the running services."""
        return self.var / "run"

    @property
    def log(self) -> Path:
        """Log files."""
        return self.var / "log"

    @property
    def state(self) -> Path:
        """What the keeper says about its services."""
        return self.run / "services.json"

    @property
    def account(self) -> Account | None:
        """The user the servers run as; None means the present one, which is not root."""
        if os.geteuid() != 0:
            return None
        for cluster in (self.var / "postgres", *(root / self.slug / "postgres" for root in ROOTS_FOR_CLOSED_HOMES)):
            if cluster.is_dir() and cluster.stat().st_uid != 0:
                owner = cluster.stat()
                return Account(owner.st_uid, owner.st_gid)
        nobody = pwd.getpwnam("nobody")
        return Account(nobody.pw_uid, nobody.pw_gid)

    @property
    def slug(self) -> str:
        """A short name for this data folder, the same on every start."""
        return f"ecosystem-portal-{hashlib.sha256(os.fsencode(self.var)).hexdigest()[:10]}"

    @property
    def home(self) -> Path:
        """The folder of the cluster: the data folder, or one outside when the servers' user cannot walk there."""
        account = self.account
        if account is None or reachable(self.var, account.uid):
            return self.var
        for root in ROOTS_FOR_CLOSED_HOMES:
            if (root / self.slug).is_dir() or (root.is_dir() and os.access(root, os.W_OK)):
                return root / self.slug
        raise OSError(
            f"No folder for the database: {self.var} is closed to others, /var/lib and /var/tmp are read-only."
        )

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data folder."""
        return self.home / "postgres"

    @property
    def sockets(self) -> Path:
        """The folder of the unix sockets, short enough for their addresses."""
        inside = self.home / "sockets"
        if len(os.fsencode(inside / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT:
            return inside
        return Path("/tmp" if sys.platform != "win32" else tempfile.gettempdir()) / self.slug  # noqa: S108 - checked by own()

    @property
    def database_url(self) -> str:
        """The address of the embedded PostgreSQL."""
        return f"postgresql://portal@{quote(str(self.sockets), safe='')}/{DATABASE}"

    @property
    def broker_socket(self) -> Path:
        """Valkey's unix socket."""
        return self.sockets / "valkey.sock"

    @property
    def broker_url(self) -> str:
        """The address of the embedded Valkey, as Celery spells it."""
        return f"redis+socket://{self.broker_socket}?virtual_host=0"


def own(folder: Path, account: Account | None) -> None:
    """Make a folder that only the servers' user can read, or refuse one that somebody else made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {
        os.geteuid(),
        account.uid if account else os.geteuid(),
    }:
        raise PermissionError(
            f"{folder} belongs to user {status.st_uid}; it must belong to the user who runs the portal."
        )
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
