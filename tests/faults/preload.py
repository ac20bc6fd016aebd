"""What every process of the tests has in memory from the start: imported once, then forked.

Nothing in here may start a thread or open a connection.
"""

import boto3
import django

django.setup()

import MySQLdb  # noqa: E402, F401
from django.core.management import get_commands, load_command_class  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from transcripts.worker import loop  # noqa: E402, F401 - and with it yt-dlp and the speech engine
from ytbackend.wsgi import application  # noqa: E402, F401

assert get_resolver().url_patterns
load_command_class(get_commands()["sweep"], "sweep")
for service in ("sqs", "s3"):  # botocore reads megabytes about each service, and keeps them
    boto3.client(service, region_name="us-east-1").close()
