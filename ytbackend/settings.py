"""Every setting, from the environment alone. ``.env.example`` explains each variable.

A value that cannot be understood stops the program with a sentence. Whatever else a
deployment must not lack is found by ``ytbackend/checks.py`` (``manage.py check --deploy``).
"""

import sys
from datetime import timedelta
from pathlib import Path

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured

from ytbackend import env, log_lines, vault
from ytbackend.described import DOCUMENT

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("DATA_DIR") or BASE_DIR / "data")
VERSION = "0.1.0"

# --- Django

DEBUG = env.flag("DJANGO_DEBUG")
_key = env.text("DJANGO_SECRET_KEY")
SECRET_KEY = vault.setting("DJANGO_SECRET_KEY", _key)
if not _key:
    if not DEBUG:
        raise ImproperlyConfigured(
            "DJANGO_SECRET_KEY is not set. Set it to a long random text, or DJANGO_DEBUG=true on your own machine."
        )
    SECRET_KEY = "insecure-and-only-for-debug"  # noqa: S105
# What was signed with these is still taken: sessions and addresses outlive a new key.
SECRET_KEY_FALLBACKS = env.names("DJANGO_SECRET_KEY_FALLBACKS")
if vault.is_reference(_key):
    SECRET_KEY_FALLBACKS.append(vault.setting("DJANGO_SECRET_KEY", _key, version="previous"))
ALLOWED_HOSTS = env.names("DJANGO_ALLOWED_HOSTS", ["localhost", "127.0.0.1"] if DEBUG else [])

ROOT_URLCONF = "ytbackend.urls"
WSGI_APPLICATION = "ytbackend.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
APPEND_SLASH = False
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = ["ytbackend.formats"]

INSTALLED_APPS = [
    "ytbackend",  # before the theme, whose templates and files it replaces
    "ytbackend.apps.ThemeConfig",
    "ytbackend.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "videos",
    "transcripts",
]

MIDDLEWARE = [
    # What stands first holds for every answer, also for errors and for static files.
    "ytbackend.headers.identified",
    "ytbackend.measured.measured",
    "ytbackend.headers.guarded",
    "django.middleware.security.SecurityMiddleware",
    "ytbackend.headers.ExactCors",
    "ytbackend.headers.own_host",
    "ytbackend.bounds.bounded",
    "ytbackend.headers.Known",
    "ytbackend.pages.for_pages",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

SECURE_SSL_REDIRECT = False  # API Gateway speaks HTTPS only, and what reaches Lambda is no longer HTTP
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # SECURE_SSL_REDIRECT, see above
    # They look for what stands in ytbackend.pages.
    *("admin.E408", "admin.E409", "admin.E410", "axes.W002", "security.W002", "security.W003"),
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- The admin: who is let in, and for how long

COGNITO_DOMAIN = env.pattern(
    "COGNITO_DOMAIN",
    r"https://[a-z0-9-]+(\.[a-z0-9-]+)+|http://(127\.0\.0\.1|localhost):[0-9]+",
    "like https://auth.example.com, without a slash at its end",
)
ADMIN_LOCAL_LOGIN = env.flag("ADMIN_LOCAL_LOGIN", DEBUG)
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "ytbackend.staff.LocalAccounts"]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = 8 * 3600  # a shift: groups are read at each sign-in, and so at least once in it
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_NAME = "staff_session"

# Passwords cannot be tried out: https://django-axes.readthedocs.io/en/latest/4_configuration.html. Each failure is a
# row and a line in the log. The address is REMOTE_ADDR, which the Lambda handler takes from the gateway.
AXES_FAILURE_LIMIT = 5
AXES_LOCKOUT_PARAMETERS = ["ip_address", "username"]
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or somebody could keep an account locked for ever
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_FORM_FIELD = "username"  # or it would look for the model's, "id", find none, and lock nobody's account
AXES_SENSITIVE_PARAMETERS = ["username", "password"]  # in the log; people also type passwords into the wrong field
AXES_ENABLE_ADMIN = False  # the log tells each failure, and manage.py axes_list_attempts who is locked out
AXES_LOCKOUT_CALLABLE = "ytbackend.staff.locked_out"
AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True  # who signed in when stands in the users' rows

# https://unfoldadmin.com/docs/configuration/settings/; what depends on the request is in ytbackend.admin_site.
UNFOLD = {
    "SITE_TITLE": "YouTube transcripts",
    "SITE_HEADER": "YouTube transcripts",
    "SITE_URL": None,
    "SITE_SYMBOL": "speech_to_text",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
}

# --- Database

DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}", base=BASE_DIR)}
_database = DATABASES["default"]
if DATABASE_SECRET := env.text("DATABASE_SECRET"):
    if _database["ENGINE"] != "django.db.backends.mysql":
        raise ImproperlyConfigured("DATABASE_SECRET is set, but DATABASE_URL is not mysql://host:port/name.")
    vault.secret("DATABASE_SECRET", DATABASE_SECRET)
    _database |= {"ENGINE": "ytbackend.mysql", "SECRET": DATABASE_SECRET}
if _database["ENGINE"].endswith("mysql"):
    # A frozen Lambda loses its connection; a worker must not hang on a dead one.
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = {
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        # A request that finds its connection dead and cannot make another one still ends within ten seconds.
        "connect_timeout": 3,
        "read_timeout": 5,
        "write_timeout": 5,
        "init_command": "SET sql_mode='STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', time_zone='+00:00', "
        "innodb_lock_wait_timeout=3, wait_timeout=600",  # a frozen process gives its locks back
    } | _database.get("OPTIONS", {})
    _database["TEST"] = {"CHARSET": "utf8mb4"}
else:
    env.folder("DATA_DIR", Path(_database["NAME"]).parent)
    # Several processes share the file: readers do not wait for the writer (WAL), writers queue up.
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

# --- Files

AWS_REGION = env.pattern("AWS_REGION", r"[a-z]{2,4}(-[a-z]+)+-\d+", "a region such as eu-central-1") or None
S3_BUCKET = env.pattern("S3_BUCKET", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket, without s3://")
FILES_SIGNING_SECONDS = 300
STORAGES = {
    "staticfiles": {"BACKEND": "ytbackend.static_files.StaticFiles"},
    "default": {
        "BACKEND": "videos.s3.BoundedS3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "region_name": AWS_REGION,
            "signature_version": "s3v4",
            "querystring_expire": FILES_SIGNING_SECONDS,
            "file_overwrite": True,  # a key carries its attempt, so it is only ever written by one
            "default_acl": None,
        },
    }
    if S3_BUCKET
    else {
        "BACKEND": "videos.files.SignedFileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "files"},
    },
}
STATIC_URL = "static/"
STATIC_ROOT = None  # nothing is collected: see WHITENOISE_USE_FINDERS
WHITENOISE_STATIC_PREFIX = "/static/"  # within our addresses, whatever stands before them
WHITENOISE_USE_FINDERS = True  # served from the packages: no collectstatic step to forget
WHITENOISE_ALLOW_ALL_ORIGINS = False  # the pages that need them stand beside them
WHITENOISE_MAX_AGE = 0 if DEBUG else 3600  # their names stay when they change

# --- Queue

SQS_QUEUE_URL = env.pattern("SQS_QUEUE_URL", r"https?://[^/\s]+/\S+", "the URL of the queue, not its name or ARN")

# --- Who may call

COGNITO_USER_POOL_ID = env.text("COGNITO_USER_POOL_ID")
COGNITO_CLIENT_IDS = env.names("COGNITO_CLIENT_IDS")
COGNITO_TOKEN_USE = env.names("COGNITO_TOKEN_USE", ["id", "access"], choices=["id", "access"])
COGNITO_JWKS = env.text("COGNITO_JWKS")
COGNITO_REFRESH_TOKEN_DAYS = env.integer("COGNITO_REFRESH_TOKEN_DAYS", 30, least=1, most=3650)

CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS", ["https://shri.software"])
CORS_ALLOW_CREDENTIALS = False  # the token travels in a header; no cookie does
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "if-none-match"]
CORS_EXPOSE_HEADERS = [
    "Content-Disposition",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
]

# --- The API

API_BASE_PATH = env.pattern(
    "API_BASE_PATH", r"(/[A-Za-z0-9_.~-]+)+", "a path such as /yt-backend, without a slash at its end"
)
MAX_BODY_BYTES = 16 * 1024
MAX_ADDRESS_BYTES = 8 * 1024  # path and query; a cursor has at most 4000
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32 * 1024  # without Authorization
# What Django itself reads, that is forms of the admin and every query; files are not taken by anything.
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 0
FILE_UPLOAD_HANDLERS: list[str] = []
# What Lambda answers at most, less its headers: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
MAX_ANSWER_BYTES = 6 * 1024 * 1024 - 32 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.key_authentication.ApiKeyAuthentication",
        "accounts.authentication.CognitoAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.permissions.InScope",
    ],
    "DEFAULT_PARSER_CLASSES": ["ytbackend.api.BoundedJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "ytbackend.api.RememberedNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["accounts.renderers.FastJSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "ytbackend.pagination.KeysetPagination",
    "DEFAULT_METADATA_CLASS": "ytbackend.api.AllowedMethods",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "ytbackend.api.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "NON_FIELD_ERRORS_KEY": "",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {**DOCUMENT, "VERSION": VERSION}

# --- What one user may use: 0 is no limit, and staff may grant one user more or less

QUOTA_SUBMISSIONS_PER_DAY = env.integer("QUOTA_SUBMISSIONS_PER_DAY", 100, least=0, most=1_000_000)
QUOTA_SPEECH_MINUTES_PER_MONTH = env.integer("QUOTA_SPEECH_MINUTES_PER_MONTH", 600, least=0, most=10_000_000)
QUOTA_VIDEOS = env.integer("QUOTA_VIDEOS", 5000, least=0, most=10_000_000)
QUOTA_GIGABYTES = env.integer("QUOTA_GIGABYTES", 50, least=0, most=1_000_000)

# --- The worker

_PROXY = r"(https?|socks[45]h?)://\S+"
_proxy = env.text("YOUTUBE_PROXY_URL")
YOUTUBE_PROXY_URL = (
    vault.setting("YOUTUBE_PROXY_URL", _proxy, form=_PROXY)
    if vault.is_reference(_proxy)
    else env.pattern("YOUTUBE_PROXY_URL", _PROXY, "like http://user:password@host:port, or name a secret")
)
YOUTUBE_RETRIES = env.integer("YOUTUBE_RETRIES", 3, least=0, most=10)
YOUTUBE_PATIENCE_SECONDS = env.integer("YOUTUBE_PATIENCE_SECONDS", 180, least=1, most=3600)
MAX_VIDEO_MINUTES = env.integer("MAX_VIDEO_MINUTES", 720, least=1, most=10_000)
MAX_AUDIO_MEGABYTES = env.integer("MAX_AUDIO_MEGABYTES", 1024, least=1, most=5_000)  # S3 takes 5 GB at once
SPEECH_ENGINE = env.text("SPEECH_ENGINE", "faster-whisper")
SPEECH_MODEL = env.text("SPEECH_MODEL", "small")
SPEECH_THREADS = env.integer("SPEECH_THREADS", 0, least=0, most=256)  # 0: one for each core
WORKER_JOBS = env.integer("WORKER_JOBS", 3, least=1, most=64)
LEASE_SECONDS = env.integer("LEASE_SECONDS", 120, least=3, most=3600)
MAX_ATTEMPTS = env.integer("MAX_ATTEMPTS", 3, least=1, most=20)
RETRY_BASE_SECONDS = env.integer("RETRY_BASE_SECONDS", 30, least=0, most=3600)
GIVE_UP_HOURS = env.integer("GIVE_UP_HOURS", 24, least=1, most=240)
RESEND_AFTER_SECONDS = env.integer("RESEND_AFTER_SECONDS", 3600, least=1, most=86_400)
PATIENCE_SECONDS = env.integer("PATIENCE_SECONDS", 300, least=0, most=3600)
GRACE_SECONDS = env.integer("GRACE_SECONDS", 25, least=0, most=3600)

# --- How long things are kept, in days; 0: for ever

RETAIN_AUDIO_DAYS = env.integer("RETAIN_AUDIO_DAYS", 0, least=0, most=36_500)
RETAIN_TRANSCRIPTS_DAYS = env.integer("RETAIN_TRANSCRIPTS_DAYS", 0, least=0, most=36_500)

# --- Watching

_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]
_for_people = DEBUG or (sys.stderr is not None and sys.stderr.isatty())
LOG_FORMAT = env.choice("LOG_FORMAT", "text" if _for_people else "json", choices=["text", "json"])
SENTRY_DSN = env.pattern(
    "SENTRY_DSN", r"https?://[^@\s/]+@[^@\s/]+(/\S*)?/\d+", "a DSN of Sentry, such as https://key@sentry.example/1"
)
TRACES_ENDPOINT = env.pattern("OTEL_EXPORTER_OTLP_ENDPOINT", r"https?://[^@\s]+", "like http://127.0.0.1:4318")
env.choice("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", choices=["http/protobuf"])
METRICS = env.pattern("METRICS", "emf", "emf, or empty")
LOGGING = log_lines.configuration(
    shape=LOG_FORMAT, level=env.choice("LOG_LEVEL", "INFO", choices=_LEVELS), metrics=bool(METRICS)
)
