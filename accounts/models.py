"""Who is calling: one row for each Cognito sub, and for each local staff account."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from accounts.fields import ExactCharField


class UserManager(BaseUserManager["User"]):
    """Makes rows for callers and for local staff accounts."""

    def seen(self, sub: str, email: str) -> "User":
        """The row of a caller with a verified token; made at the first call, safe under concurrency.

        An access token carries no e-mail: an empty one never erases what an ID token has told.
        """
        user, _ = self.get_or_create(id=sub, defaults={"email": email, "password": make_password(None)})
        if email and user.email != email:
            self.filter(id=sub).update(email=email)
            user.email = email
        return user

    def staff(self) -> "models.QuerySet[User]":
        """Who may enter the admin."""
        return self.filter(is_staff=True)

    def create_superuser(self, id: str, password: str | None = None, **fields: Any) -> "User":  # noqa: A002
        """A local staff account; ``manage.py createsuperuser`` calls it. Its id is its login name."""
        user = self.model(id=id, is_staff=True, is_superuser=True, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A caller, keyed by Cognito's ``sub`` (a UUID), or a local staff account, keyed by its login name.

    Callers have no usable password; the API knows them by their tokens alone.
    """

    id = ExactCharField("login", primary_key=True, max_length=64, help_text="Cognito's sub, or a local login name.")
    email = models.EmailField(blank=True, default="")
    is_active = models.BooleanField(default=True, help_text="Switched off, every token of this user is refused.")
    is_staff = models.BooleanField(default=False, help_text="May enter the admin.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "id"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        db_table = "users"
        indexes = [models.Index(fields=["email"], name="users_email")]  # admin: who is this address?

    def __str__(self) -> str:
        return self.email or self.id

    def leave_staff(self) -> None:
        """May not enter the admin any more; its sessions end, because they hang on the password."""
        self.is_staff = self.is_superuser = False
        self.set_unusable_password()
        self.save(update_fields=["is_staff", "is_superuser", "password"])
        self.groups.clear()
        self.user_permissions.clear()
