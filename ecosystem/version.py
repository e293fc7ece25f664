"""Which code computed something."""

from functools import cache

from django.conf import settings


@cache
def code_version() -> str:
    """Return the commit this process runs, or an empty text outside a checkout."""
    git = settings.BASE_DIR / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head[:40]
        name = head.removeprefix("ref: ")
        loose = git / name
        if loose.is_file():
            return loose.read_text(encoding="ascii").strip()[:40]
        packed = (git / "packed-refs").read_text(encoding="ascii").splitlines()
        return next((line.split()[0][:40] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""
