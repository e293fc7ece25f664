"""Uploaded papers: what is taken in, under which name it is kept, how it is handed out."""

from __future__ import annotations

import secrets
from pathlib import PurePosixPath

from django.core.files.base import File
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import FileResponse
from django.utils.translation import gettext as _

from providers.errors import FileRefused
from providers.models import Evidence, Qualification

LARGEST_BYTES = 10 * 1024 * 1024
# The first bytes say what a file is; its name and the browser's word do not.
_SIGNATURES = {"pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff"}
_TYPES = {"pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg"}


def checked(upload: UploadedFile[bytes]) -> File[bytes]:
    """Return the upload under a name of our own; FileRefused unless it is a PDF, PNG or JPEG of at most 10 MB."""
    size = upload.size or 0
    if size == 0:
        raise FileRefused(_("The file is empty."))
    if size > LARGEST_BYTES:
        raise FileRefused(
            _("The file has %(found)s MB; at most %(limit)s MB are taken.")
            % {"found": round(size / 1024 / 1024, 1), "limit": LARGEST_BYTES // 1024 // 1024}
        )
    start = upload.read(16)
    upload.seek(0)
    extension = next((name for name, signature in _SIGNATURES.items() if start.startswith(signature)), None)
    if extension is None:
        raise FileRefused(_("Only PDF, PNG and JPEG files are taken; this one is something else inside."))
    return File(upload.file, name=f"{secrets.token_hex(16)}.{extension}")


def keep(row: Qualification | Evidence, upload: UploadedFile[bytes] | None) -> None:
    """Insert a row with its upload, checked; the stored file goes where the row cannot stay."""
    kept = checked(upload) if upload is not None else None
    if kept is not None:
        row.file.save(str(kept.name), kept, save=False)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except Exception:
        # The row rolls back by itself, the stored file does not.
        if kept is not None:
            row.file.delete(save=False)
        raise


def download(row: Qualification | Evidence, name: str) -> FileResponse:
    """Hand a paper out so that no browser runs anything in it."""
    extension = PurePosixPath(str(row.file.name)).suffix.removeprefix(".")
    response = FileResponse(
        row.file.open("rb"),
        as_attachment=True,
        filename=f"{name}-{row.pk}.{extension}",
        content_type=_TYPES.get(extension, "application/octet-stream"),
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, no-store"
    return response
