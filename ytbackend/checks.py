"""What a deployment must not lack, found by ``manage.py check --deploy`` and not by a user."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Warn

from accounts import cognito
from accounts.keyset import keys_from

_NEEDED = {
    "SQS_QUEUE_URL": "Set it to the URL of the queue: jobs are sent there.",
    "COGNITO_USER_POOL_ID": 'Set it to the id of the user pool, such as "eu-central-1_AbCdEfGhI".',
    "COGNITO_CLIENT_IDS": "Set it to the app client's id; several are separated by commas.",
    "ALLOWED_HOSTS": "Set DJANGO_ALLOWED_HOSTS to the API's domain; several are separated by commas.",
}


@register(Tags.security, deploy=True)
def needed_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Settings without which nothing works, and those with which files or tokens would surprise."""
    messages: list[CheckMessage] = [
        Error(f"{name} is empty.", hint=hint, id=f"ytbackend.E{number:03}")
        for number, (name, hint) in enumerate(_NEEDED.items(), 1)
        if not getattr(settings, name)
    ]
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        messages.append(
            Warn(
                "The database is a SQLite file.",
                hint="Set DATABASE_URL to mysql://user:password@host:port/name.",
                id="ytbackend.W001",
            )
        )
    if not settings.AWS_REGION:
        messages.append(
            Warn(
                "AWS_REGION is empty.",
                hint="Set it to the region of queue and bucket, such as eu-central-1, unless boto3 finds it elsewhere.",
                id="ytbackend.W003",
            )
        )
    if not settings.S3_BUCKET:
        messages.append(
            Warn(
                "Files lie on this machine's disk.",
                hint="Set S3_BUCKET: API and worker must see the same files.",
                id="ytbackend.W002",
            )
        )
    return messages


@register(Tags.security)
def readable_cognito(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A pool id and a key set that are given must be understood."""
    if not settings.COGNITO_USER_POOL_ID:
        return []
    try:
        keys_from(settings.COGNITO_JWKS, issuer=cognito.issuer_of(settings.COGNITO_USER_POOL_ID))
    except ValueError as error:
        hint = "Copy the pool's id, and the text of its /.well-known/jwks.json or the path of a file with it."
        return [Error(f"COGNITO_USER_POOL_ID or COGNITO_JWKS: {error}", hint=hint, id="ytbackend.E010")]
    return []
