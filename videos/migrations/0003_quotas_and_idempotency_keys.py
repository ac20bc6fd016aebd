import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def of_user(name):
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.CASCADE,
        related_name=name,
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("videos", "0002_attempts_and_breaker"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="UserQuota",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="quota",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("submissions_per_day", models.PositiveIntegerField(blank=True, null=True)),
                ("speech_minutes_per_month", models.PositiveIntegerField(blank=True, null=True)),
                ("videos", models.PositiveIntegerField(blank=True, null=True, verbose_name="videos kept")),
                ("gigabytes", models.PositiveIntegerField(blank=True, null=True, verbose_name="gigabytes kept")),
            ],
            options={
                "verbose_name": "quota of a user",
                "verbose_name_plural": "quotas of users",
                "db_table": "user_quotas",
            },
        ),
        migrations.CreateModel(
            name="Usage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user", of_user("usage")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("submissions", "submissions of a day"),
                            ("speech", "milliseconds of speech of a month"),
                        ],
                        max_length=12,
                    ),
                ),
                ("period", models.DateField(help_text="Its first day, in UTC.")),
                ("amount", models.PositiveBigIntegerField()),
            ],
            options={
                "verbose_name_plural": "usage",
                "db_table": "quota_usage",
                "constraints": [
                    models.UniqueConstraint(fields=("user", "kind", "period"), name="quota_usage_one_per_period")
                ],
            },
        ),
        migrations.CreateModel(
            name="Reservation",
            fields=[
                (
                    "video",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="reservation",
                        serialize=False,
                        to="videos.video",
                    ),
                ),
                ("user", of_user("reservations")),
                (
                    "month",
                    models.DateField(
                        help_text="Its first day, in UTC: what is listened to is charged to this month."
                    ),
                ),
                ("milliseconds", models.PositiveBigIntegerField()),
                ("fence", models.PositiveBigIntegerField(help_text="The claim's.")),
            ],
            options={
                "db_table": "speech_reservations",
                "indexes": [models.Index(fields=["user", "month", "milliseconds"], name="speech_reservations_sum")],
            },
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user", of_user("idempotency_keys")),
                ("key_hash", models.CharField(max_length=64)),
                ("body_hash", models.CharField(max_length=64)),
                ("video_id", models.UUIDField()),
                ("started", models.BooleanField(help_text="Whether the answer was 202.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "idempotency_keys",
                "indexes": [models.Index(fields=["created_at"], name="idempotency_keys_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "key_hash"), name="idempotency_keys_one_per_user")
                ],
            },
        ),
        migrations.AddField(
            model_name="video",
            name="bytes_kept",
            field=models.PositiveBigIntegerField(db_default=0, help_text="Of its files: audio and transcript."),
        ),
        migrations.AddIndex(
            model_name="video",
            index=models.Index(fields=["user", "bytes_kept"], name="videos_kept"),
        ),
    ]
