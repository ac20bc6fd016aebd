"""A login to MySQL 8.4 with nothing but the package's own libraries."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deployment import interpreter, mysql_driver
from tests.deployment.certificates import Authority
from tests.deployment.mysql_server import PASSWORD, USER, Server

# Where the private namespace ends, the client begins: it sees no MariaDB and no OpenSSL but the package's.
_HIDE = 'for path in "$@"; do shift; [ "$path" = -- ] && break; mount --bind /dev/null "$path"; done; exec "$@"'
_LOG_IN = """
import json, sys
sys.path.append(sys.argv[1])
if len(sys.argv) > 3:
    import ssl
    ssl.create_default_context()
import MySQLdb
try:
    connection = MySQLdb.connect(connect_timeout=10, **json.loads(sys.argv[2]))
    connection.ping()
    said = "welcome"
except MySQLdb.Error as error:
    said = str(error)
with open("/proc/self/maps") as maps:
    loaded = {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line and "/" in line}
print(json.dumps([said, sorted(loaded)]))
"""


def private_namespace() -> list[str]:
    """The beginning of a command, root's or with a user namespace; empty where the machine allows neither."""
    for command in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        hide = [*command, "bash", "-euc", _HIDE, "hide", *map(str, mysql_driver.shipped()), "--"]
        if shutil.which("unshare") and not subprocess.run([*hide, "true"], capture_output=True, check=False).returncode:
            return hide
    return []


def log_in(tree: Path, port: int, *, password: str = PASSWORD, beside_ssl=False, **options) -> tuple[str, list[str]]:
    """What the client says, and which libraries it has loaded.

    ``beside_ssl``: after Python has loaded the OpenSSL of this machine, as boto3 does on Lambda.
    """
    arguments = {"host": "127.0.0.1", "port": port, "user": USER, "password": password, "database": "transcripts"}
    python = [str(interpreter.find().path), "-I", "-S", "-B", "-c", _LOG_IN, str(tree)]
    namespace = [] if beside_ssl else private_namespace()
    done = subprocess.run(
        [*namespace, *python, json.dumps(arguments | options), *(["beside"] if beside_ssl else [])],
        capture_output=True, text=True, check=True, cwd="/", env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    said, loaded = json.loads(done.stdout)
    return said, loaded


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


def verified(authority: Authority) -> dict:
    return {"ssl": {"ca": str(authority.file)}, "ssl_mode": "VERIFY_IDENTITY"}


def test_it_logs_in_by_a_hash_that_the_server_knows(unpacked):
    with Server(knows_hash=True) as server:
        said, _ = log_in(unpacked, server.port)

    assert (said, server.logins) == ("welcome", ["fast"])


def test_it_is_refused_with_another_password(unpacked):
    with Server(knows_hash=True) as server:
        said, _ = log_in(unpacked, server.port, password="another")

    assert ("Access denied" in said, server.logins) == (True, ["refused"])


def test_it_tells_its_password_over_tls_where_the_server_does_not_know_the_hash(unpacked, authority):
    with Server(knows_hash=False, tls=authority.server("127.0.0.1")) as server:
        said, _ = log_in(unpacked, server.port, **verified(authority))

    assert (said, server.logins) == ("welcome", ["full, over TLS"])


def test_it_tells_its_password_by_the_servers_key_where_there_is_no_tls(unpacked):
    with Server(knows_hash=False) as server:
        said, _ = log_in(unpacked, server.port)

    assert (said, server.logins) == ("welcome", ["full, by RSA"])


def test_it_tells_nothing_to_a_server_that_no_known_authority_vouches_for(unpacked, authority, tmp_path):
    (tmp_path / "other").mkdir()
    with Server(knows_hash=False, tls=Authority(tmp_path / "other").server("127.0.0.1")) as server:
        said, _ = log_in(unpacked, server.port, **verified(authority))

    assert ("SSL" in said, server.logins) == (True, ["broken off"])


def test_it_tells_nothing_to_a_server_of_another_name(unpacked, authority):
    with Server(knows_hash=False, tls=authority.server("127.0.0.2")) as server:
        said, _ = log_in(unpacked, server.port, **verified(authority))

    assert ("SSL" in said, server.logins) == (True, ["broken off"])


def test_it_tells_nothing_to_a_server_without_tls_where_tls_is_demanded(unpacked, authority):
    with Server(knows_hash=False) as server:
        said, _ = log_in(unpacked, server.port, **verified(authority))

    assert ("SSL" in said, server.logins) == (True, ["broken off"])


def test_it_cannot_log_in_without_the_plugin(unpacked, tmp_path):
    lacking = tmp_path / "task"
    shutil.copytree(unpacked / "MySQLdb", lacking / "MySQLdb")
    shutil.copytree(unpacked / "mysqlclient.libs", lacking / "mysqlclient.libs")
    (lacking / mysql_driver.PLUGINS / "caching_sha2_password.so").unlink()

    with Server(knows_hash=True) as server:
        said, _ = log_in(lacking, server.port)

    assert "caching_sha2_password" in said
    assert "fast" not in server.logins


def test_it_uses_the_packages_libraries_alone(unpacked, authority):
    with Server(knows_hash=False, tls=authority.server("127.0.0.1")) as server:
        _, loaded = log_in(unpacked, server.port, **verified(authority))

    names = {Path(path).name.partition("-")[0].partition(".")[0] for path in loaded if path.startswith(str(unpacked))}
    assert {"libmariadb", "libssl", "libcrypto", "libz", "caching_sha2_password"} <= names
    assert {str(path) for path in mysql_driver.shipped()} & set(loaded) == set()


def test_it_logs_in_beside_another_openssl(unpacked, authority):
    with Server(knows_hash=False, tls=authority.server("127.0.0.1")) as server:
        said, loaded = log_in(unpacked, server.port, beside_ssl=True, **verified(authority))

    assert (said, server.logins) == ("welcome", ["full, over TLS"])
    assert len([path for path in loaded if "/libcrypto" in path]) == 2
