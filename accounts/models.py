"""Who is calling: one row for each Cognito sub, and for each local staff account. Their API keys."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import Exists, OuterRef

from accounts.api_keys import ApiKey
from accounts.fields import ExactCharField
from accounts.prepared import Parameter, Prepared

__all__ = ["ApiKey", "User", "UserManager"]


class UserManager(BaseUserManager["User"]):
    """Makes rows for callers and for local staff accounts."""

    def seen(self, sub: str, email: str, origin_jti: str = "") -> "User":
        """The row of a caller with a verified token; made at the first call, safe under concurrency.

        One query tells all that can make a good token worthless: ``is_active``, ``tokens_valid_after``, and whether
        the sign-in ``origin_jti`` has been ended. An access token carries no e-mail: an empty one never erases what
        an ID token has told.
        """
        found = _callers(sub=sub, origin_jti=origin_jti)
        if not found:
            self.get_or_create(id=sub, defaults={"email": email, "password": make_password(None)})
            found = _callers(sub=sub, origin_jti=origin_jti)
        (user,) = found
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
    tokens_valid_after = models.DateTimeField(
        null=True, blank=True, help_text="Tokens of sign-ins before this time are refused. Empty: none."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "id"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        db_table = "users"
        indexes = [models.Index(fields=["email"], name="users_email")]  # admin: who is this address?

    sign_in_has_ended = False
    """Whether the sign-in that ``seen`` was asked about has been ended."""

    def __str__(self) -> str:
        return self.email or self.id

    def get_full_name(self) -> str:
        """What the admin calls this user; the id is nothing to read."""
        return str(self)

    get_short_name = get_full_name

    def is_signed_out(self, auth_time: float) -> bool:
        """Whether tokens of a sign-in at this time are refused: seconds since 1970, as in the token.

        A token tells whole seconds, so a sign-in within the second of the sign-out counts as before it.
        """
        after = self.tokens_valid_after
        return self.sign_in_has_ended or (after is not None and auth_time < after.timestamp())

    def leave_staff(self) -> None:
        """May not enter the admin any more; its sessions end, because they hang on the password."""
        self.is_staff = self.is_superuser = False
        self.set_unusable_password()
        self.save(update_fields=["is_staff", "is_superuser", "password"])
        self.groups.clear()
        self.user_permissions.clear()


class EndedSignIn(models.Model):
    """One sign-in whose tokens are refused, although Cognito has signed them."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="ended_sign_ins"
    )
    origin_jti = ExactCharField("sign-in", max_length=64, help_text="Cognito's origin_jti.")
    ended_at = models.DateTimeField(auto_now_add=True)
    forget_at = models.DateTimeField(help_text="When no token of it can be left; the sweep then removes this row.")

    class Meta:
        db_table = "ended_sign_ins"
        constraints = [models.UniqueConstraint(fields=["user", "origin_jti"], name="ended_sign_ins_once")]
        indexes = [models.Index(fields=["forget_at"], name="ended_sign_ins_due")]  # sweep: which can go?

    def __str__(self) -> str:
        return f"{self.origin_jti} of {self.user_id}"


_COLUMNS = [field.attname for field in User._meta.concrete_fields]


def _caller(row: Sequence[Any]) -> User:
    *values, has_ended = row
    user = User.from_db(DEFAULT_DB_ALIAS, _COLUMNS, values)
    user.sign_in_has_ended = has_ended
    return user


def ended(user: str) -> Exists:
    """Whether the sign-in ``origin_jti``, a :class:`Parameter`, of ``user``, a column, has been ended."""
    asked = Parameter("origin_jti", EndedSignIn._meta.get_field("origin_jti"))
    return Exists(EndedSignIn.objects.filter(user=OuterRef(user), origin_jti=asked))


_callers = Prepared(
    lambda: User.objects.filter(pk=Parameter("sub", User._meta.pk)).values_list(*_COLUMNS, ended("pk")), _caller
)
