"""What is built: the same bytes everywhere, and something that works."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from deployment import contents, inspect_package, interpreter, lock, mysql_driver
from deployment import package as packing

ROOT = contents.ROOT


def test_it_passes_every_proof(package, capsys):
    assert (inspect_package.main([str(package)]), "FAILED" in capsys.readouterr().out) == (0, False)


def test_it_is_the_same_when_it_is_built_in_another_folder(package, tmp_path):
    for name in ("deployment", *contents.APPLICATIONS):
        shutil.copytree(ROOT / name, tmp_path / "copy" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (lock.LAMBDA, "zappa_settings.json"):
        shutil.copy(ROOT / name, tmp_path / "copy")
    (tmp_path / "scratch").mkdir()
    # Its own compiling, of the driver too; only the programs that do it are the same.
    (tmp_path / "copy/dist/.cache").mkdir(parents=True)
    for tools in (package.parent / ".cache").glob("tools-*"):
        (tmp_path / "copy/dist/.cache" / tools.name).symlink_to(tools)

    subprocess.run(
        ["bash", "-c", 'umask 077; exec "$0" -m deployment.package', sys.executable],
        cwd=tmp_path / "copy", check=True, capture_output=True,
        env=os.environ | {"TMPDIR": str(tmp_path / "scratch"), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )  # fmt: skip

    again = tmp_path / "copy/dist/yt-backend.zip"
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(package.read_bytes()).digest()


def test_it_is_made_of_what_is_here(package):
    assert packing.is_current(package)


def test_it_trusts_the_authorities_of_rds(unpacked):
    pages = (unpacked / "ytbackend/rds-ca-bundle.pem").read_bytes()

    found = x509.load_pem_x509_certificates(pages)

    names = {certificate.subject.rfc4514_string().partition("CN=")[2].partition(",")[0] for certificate in found}
    assert len(names) == 32
    assert "Amazon RDS eu-central-1 Root CA RSA2048 G1" in names


def test_it_answers_with_the_docs_page_and_the_admins_files(unpacked):
    script = """
import os, sys
sys.path.append(sys.argv[1])
os.environ |= {"DJANGO_SETTINGS_MODULE": "ytbackend.settings", "DJANGO_DEBUG": "true", "DATA_DIR": sys.argv[2]}
import django; django.setup()
from django.test import Client
client = Client(SERVER_NAME="localhost")
for path in ("/", "/docs", "/schema", "/admin/login/", "/static/admin/css/base.css",
             "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css"):
    print(client.get(path, secure=True).status_code, path)
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("check")
"""
    python = [interpreter.find().path, "-I", "-S", "-B", "-c", script, unpacked]
    done = subprocess.run([*python, unpacked.parent], capture_output=True, text=True, check=True, env={})

    assert [line[:3] for line in done.stdout.splitlines()[:6]] == ["200"] * 6


def test_it_knows_nothing_of_an_account(unpacked):
    settings: dict = {}

    exec((unpacked / "zappa_settings.py").read_text(), settings)

    assert (settings["DJANGO_SETTINGS"], settings["API_STAGE"]) == ("ytbackend.settings", "default")
    assert (settings["ENVIRONMENT_VARIABLES"], settings["DOMAIN"], settings["BASE_PATH"]) == ({}, None, None)


def test_events_that_differ_between_accounts_are_refused(tmp_path, monkeypatch):
    events = [{"function": "videos.queue.take", "event_source": {"arn": "${QueueArn}"}}]
    (tmp_path / "zappa_settings.json").write_text(json.dumps({"default": {"events": events}}))
    monkeypatch.setattr(packing, "ROOT", tmp_path)

    with pytest.raises(SystemExit, match="must not differ between accounts"):
        packing.zappa_settings(tmp_path, tmp_path)


def test_without_a_compiler_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit, match="apt-get install build-essential pkg-config libmariadb-dev"):
        mysql_driver.shipped()


def test_it_is_not_current_when_a_source_has_changed(package, tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "own_files", lambda: iter([Path("manage.py")]))

    assert not packing.is_current(package)


def test_a_rule_that_leaves_nothing_out_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="Nothing was left out by the rule"):
        contents.leave_out(tmp_path)


def test_without_the_python_of_lambda_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    with pytest.raises(SystemExit, match=r"There is no Python 3\.13 here.*uv python install"):
        interpreter.find()


def test_a_shim_that_does_not_run_is_no_python(tmp_path, monkeypatch):
    real = interpreter.find()
    (tmp_path / "shims").mkdir()
    shim = tmp_path / "shims/python3.13"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    (tmp_path / "real").mkdir()
    (tmp_path / "real/python3.13").symlink_to(real.path)
    monkeypatch.setenv("PATH", f"{shim.parent}:{tmp_path / 'real'}")

    assert interpreter.find() == real._replace(path=tmp_path / "real/python3.13")
