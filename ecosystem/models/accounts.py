"""People and machines that sign in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecosystem.roles import STAFF, Role


class UserManager(BaseUserManager["User"]):
    """Make users by email."""

    def create_user(
        self, email: str, password: str | None = None, *, role: Role = Role.PROVIDER, **fields: Any
    ) -> User:
        """Create a user; without a password the account can sign in only after a reset."""
        user = self.model(email=self.normalize_email(email), role=role, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create an administrator (the name is what ``createsuperuser`` calls)."""
        return self.create_user(email, password, role=Role.ADMINISTRATOR, **fields)


class User(AbstractBaseUser):
    """One person or machine; the email is the sign-in name, the role says which hat it wears."""

    email = models.EmailField(_("email"), unique=True)
    name = models.CharField(_("name"), max_length=80, blank=True)
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.PROVIDER)
    language = models.CharField(_("language"), max_length=10, default="zh-hans")
    scope_provinces = ArrayField(
        models.CharField(max_length=2), verbose_name=_("provinces in scope"), default=list, blank=True
    )
    scope_categories = ArrayField(
        models.CharField(max_length=20), verbose_name=_("goods categories in scope"), default=list, blank=True
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="user_role_known", condition=Q(role__in=Role.values)),
            models.CheckConstraint(name="user_language_known", condition=Q(language__in=["zh-hans", "en"])),
            models.UniqueConstraint(Lower("email"), name="user_email_once_whatever_case"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """Tell whether the admin is open to this user."""
        return self.role in STAFF

    @property
    def is_scoped(self) -> bool:
        """Tell whether this member of staff sees some provinces or goods categories only."""
        return self.role == Role.CATEGORY_REGION and bool(self.scope_provinces or self.scope_categories)

    @property
    def is_superuser(self) -> bool:
        """Say no: nobody is above the table of roles."""
        return False

    def has_perm(self, perm: str, obj: object | None = None) -> bool:
        """Let staff look at every registered table; each admin decides the rest by role."""
        return self.is_active and self.is_staff and perm.rpartition(".")[2].startswith("view_")

    def has_perms(self, perms: list[str], obj: object | None = None) -> bool:
        """Tell whether all the permissions are held."""
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        """Open every app's section of the admin to staff."""
        return self.is_active and self.is_staff

    def get_full_name(self) -> str:
        """Return the name to address the user by."""
        return str(self)


class ApiToken(models.Model):
    """A machine account's credential; only its SHA-256 is kept."""

    user = models.ForeignKey(User, verbose_name=_("account"), on_delete=models.CASCADE, related_name="api_tokens")
    label = models.CharField(_("label"), max_length=80)
    digest = models.CharField(_("SHA-256 of the token"), max_length=64, unique=True)
    expires_at = models.DateTimeField(_("expires at"))
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="apitoken_digest_is_sha256", condition=Q(digest__regex=r"^[0-9a-f]{64}$")),
            models.CheckConstraint(
                name="apitoken_lives_after_creation", condition=Q(expires_at__gt=models.F("created_at"))
            ),
        ]

    def __str__(self) -> str:
        return self.label
