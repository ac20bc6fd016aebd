"""The floor: what one handler by hand costs with PyJWT, MySQLdb and json, and nothing else.

Measured, never deployed: it knows four requests, checks no input but the token and the link, repairs no connection,
and writes no log. For the queue it signs its one request itself
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import jwt
import MySQLdb

_database = urlsplit(os.environ["DATABASE_URL"])
connection = MySQLdb.connect(
    host=_database.hostname,
    port=_database.port,
    user=_database.username,
    password=_database.password or "",
    database=_database.path[1:],
    charset="utf8mb4",
    autocommit=True,
)
KEYS = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(json.loads(os.environ["COGNITO_JWKS"])).keys}
ISSUER, CLIENTS = os.environ["COGNITO_ISSUER"], (os.environ["COGNITO_CLIENT_IDS"],)
_queue = urlsplit(os.environ["SQS_QUEUE_URL"])
queue = http.client.HTTPConnection(_queue.hostname or "", _queue.port)
LINK = re.compile(r"https://(?:www\.youtube\.com/watch\?v=|youtu\.be/)([\w-]{11})")
SHOWN = (
    "id, url, youtube_id, title, channel, duration_ms, language, wanted_language, mode, source, status, stage, "
    "progress, attempt, retry_at, error_code, error_detail, error_retryable, created_at, updated_at, completed_at"
)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The answer in the format of a REST API."""
    token = event["headers"]["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(
        token,
        KEYS[jwt.get_unverified_header(token)["kid"]],
        algorithms=["RS256"],
        issuer=ISSUER,
        options={"verify_aud": False},
    )
    if claims.get("client_id") not in CLIENTS and claims.get("aud") not in CLIENTS:
        return {"statusCode": 401, "headers": {}, "body": ""}
    sub, path = claims["sub"], event["path"]
    if path == "/analyze":
        return _analyze(sub, json.loads(event["body"]))
    if path == "/videos":
        return _list(sub, event)
    return _read(sub, path.removeprefix("/videos/"), event["headers"].get("If-None-Match"))


def _list(sub: str, event: dict[str, Any]) -> dict[str, Any]:
    rows = _rows("user_id = %s ORDER BY created_at DESC, id DESC LIMIT 21", (sub,))
    following, rows = len(rows) > 20, rows[:20]
    page = {"next": _next(event, rows[-1]) if following else None, "previous": None}
    return _answer(200, page | {"results": [_video(row) for row in rows]})


def _next(event: dict[str, Any], last: dict[str, Any]) -> str:
    position = json.dumps(["-created_at", last["created_at"].replace(tzinfo=UTC).isoformat(), last["id"], False])
    token = base64.urlsafe_b64encode(position.encode()).rstrip(b"=").decode()
    context = event["requestContext"]
    return f"https://{context['domainName']}{context['path']}?cursor={token}"


def _read(sub: str, video_id: str, known: str | None) -> dict[str, Any]:
    row = _rows("id = %s AND user_id = %s", (video_id, sub))[0]
    etag = f'"{row["updated_at"].timestamp()}"'
    if known == etag:
        return {"statusCode": 304, "headers": {"ETag": etag}, "body": ""}
    return _answer(200, _video(row), ETag=etag)


def _analyze(sub: str, body: dict[str, Any]) -> dict[str, Any]:
    link = LINK.fullmatch(body["url"])
    if link is None:
        return _answer(400, {"detail": "This is no link to a YouTube video."})
    video = {"id": str(uuid.uuid4()), "user_id": sub, "youtube_id": link[1]}
    url, now = f"https://www.youtube.com/watch?v={link[1]}", datetime.now(UTC).replace(tzinfo=None)
    values = video | {"url": url, "mode": "auto", "status": "queued", "created_at": now, "updated_at": now}
    values |= dict.fromkeys(
        ("wanted_language", "title", "channel", "language", "source", "s3_path", "stage", "lease_token"), ""
    )
    values |= {"error_code": "", "error_detail": ""}
    values |= dict.fromkeys(("progress", "attempt", "error_retryable", "fence"), 0)
    names = ", ".join(values)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO videos ({names}) VALUES ({', '.join(['%s'] * len(values))})", [*values.values()])
    _send(json.dumps({"video_id": video["id"], "url": url, "user_id": sub}))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE videos SET enqueued_at = NOW(6) WHERE id = %s", (video["id"],))
    shown = dict.fromkeys(("duration_ms", "retry_at", "completed_at")) | values
    return _answer(202, _video(shown), Location=f"/videos/{video['id']}")


def _rows(where: str, values: tuple[Any, ...]) -> tuple[dict[str, Any], ...]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {SHOWN} FROM videos WHERE {where}", values)
        names = [column[0] for column in cursor.description]
        return tuple(dict(zip(names, row, strict=True)) for row in cursor.fetchall())


def _video(row: dict[str, Any]) -> dict[str, Any]:
    error = {"code": row["error_code"], "detail": row["error_detail"], "retryable": bool(row["error_retryable"])}
    return {
        "id": row["id"],
        "url": row["url"],
        "youtube_id": row["youtube_id"],
        "title": row["title"] or None,
        "channel": row["channel"] or None,
        "duration_ms": row["duration_ms"],
        "thumbnail_url": f"https://i.ytimg.com/vi/{row['youtube_id']}/hqdefault.jpg",
        "language": row["language"] or row["wanted_language"] or None,
        "mode": row["mode"],
        "source": row["source"] or None,
        "status": row["status"],
        "stage": row["stage"] or None,
        "progress": row["progress"],
        "attempt": row["attempt"],
        "retry_at": _time(row["retry_at"]),
        "error": error if row["error_code"] else None,
        "created_at": _time(row["created_at"]),
        "updated_at": _time(row["updated_at"]),
        "completed_at": _time(row["completed_at"]),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() + "Z" if moment else None


def _answer(status: int, body: Any, **headers: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"} | headers,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }


def _send(message: str) -> None:
    body = json.dumps({"QueueUrl": os.environ["SQS_QUEUE_URL"], "MessageBody": message})
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{os.environ['AWS_REGION']}/sqs/aws4_request"
    headers = {"content-type": "application/x-amz-json-1.0", "host": _queue.netloc, "x-amz-date": now}
    headers |= {"x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], "x-amz-target": "AmazonSQS.SendMessage"}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body.encode()).hexdigest()}"
    signed = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, signed.encode(), "sha256").hex()
    credential = f"Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    queue.request("POST", "/", body, headers)
    answer = queue.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"The queue answered {answer.status}.")
