"""A package in which something is planted that must not be there, or taken away that must: each is refused."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from deployment import archive, contents, inspect_package, interpreter
from deployment.inspect_package import Package

ROOT = contents.ROOT


@pytest.fixture
def tree(tmp_path) -> Path:
    """An empty folder, to be packed."""
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def put(tree: Path, name: str, content: str | bytes = "") -> Path:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def compiled(path: Path, source: str, *options: str) -> None:
    """A library of these lines of C."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path), *options]
    subprocess.run(command, input=source, text=True, check=True, capture_output=True)


def found(tree: Path, proof) -> list[str]:
    """What a proof says of a package of that folder."""
    zipped = tree.with_suffix(".zip")
    archive.write(tree, zipped)
    with inspect_package.unpacked(zipped) as package:
        return list(proof(package))


# --- What must not be


def test_the_inspection_refuses_what_is_too_large(tree):
    put(tree, "noise", os.urandom(inspect_package.MOST_ZIPPED))

    assert "more than 23" in found(tree, inspect_package.size)[0]


@pytest.mark.parametrize("path", ["videos/tests/case.py", "videos/tests.py", "test_videos.py", "lib/test/data.txt"])
def test_the_inspection_refuses_tests(tree, path):
    put(tree, path)

    assert found(tree, inspect_package.no_tests) == [f"{path} is a test."]


@pytest.mark.parametrize(
    "path", ["transcripts/worker/loop.py", "transcripts/management/commands/run_worker.py", "yt_dlp/__init__.py",
             "faster_whisper-1.2.1.dist-info/METADATA"],
)  # fmt: skip
def test_the_inspection_refuses_what_is_the_workers(tree, path):
    put(tree, path)

    assert found(tree, inspect_package.no_worker) == [f"{path} is the worker's."]


@pytest.mark.parametrize(
    "path", ["pip/__init__.py", "setuptools-84.2.1.dist-info/METADATA", "troposphere/s3.py", "zappa/cli.py", "Makefile",
             "deployment/package.py", "infrastructure.yaml", "bin/django-admin", "requests/api.py"],
)  # fmt: skip
def test_the_inspection_refuses_tools(tree, path):
    put(tree, path)

    assert found(tree, inspect_package.no_tools) == [f"{path} is a tool."]


def test_the_inspection_refuses_a_path_of_this_machine(tree):
    put(tree, "settings.py", f"BASE = '{ROOT}/videos'\n")

    assert found(tree, inspect_package.no_paths) == [f"settings.py names {ROOT}, a folder of this machine."]


def test_the_inspection_refuses_a_path_of_the_interpreter_that_is_compiled_in(tree):
    folder = interpreter.find().prefix
    compiled(tree / "lib.so", f'const char *where = "{folder}/include/object.h";')

    assert found(tree, inspect_package.no_paths) == [f"lib.so names {folder}, a folder of this machine."]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEAx" * 3, "a private key"),
        ("key = 'AKIAQWERTYUIOPASDFGH'", "an access key of AWS"),
        ("url = 'mysql://api:s3cret@db.abc.eu-central-1.rds.amazonaws.com/yt'", "an address with a password"),
    ],
)
def test_the_inspection_refuses_secrets(tree, content, what):
    put(tree, "config.py", content)

    assert found(tree, inspect_package.no_secrets) == [f"config.py has {what} in it."]


@pytest.mark.parametrize("path", ["zappa_settings.json", ".env", ".env.production", "dist/worker.env"])
def test_the_inspection_refuses_settings_of_an_account(tree, path):
    put(tree, path)

    assert found(tree, inspect_package.no_secrets) == [f"{path} is a settings file of an account."]


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("DJANGO_SECRET_KEY='a long and random text'", "a long and random text"),
        ("DATABASE_URL=mysql://api:a%2Frandom%40password@db:3306/transcripts", "a/random@password"),
    ],
)
def test_the_inspection_refuses_what_the_settings_beside_the_package_keep_secret(
    tree, tmp_path, monkeypatch, line, secret
):
    monkeypatch.setattr(inspect_package, "DIST", tmp_path)
    put(tmp_path, "worker.env", f"SPEECH_MODEL=small\n{line}\n")
    put(tree, "notes.txt", f"do not forget: {secret}")

    assert found(tree, inspect_package.no_secrets) == [f"notes.txt has the value of {line.partition('=')[0]} in it."]


def test_the_inspection_refuses_the_time_of_the_build(tree):
    put(tree, "module.py")
    zipped = tree.with_suffix(".zip")
    with zipfile.ZipFile(zipped, "w") as written:
        written.write(tree / "module.py", "module.py")

    with inspect_package.unpacked(zipped) as opened:
        said = list(inspect_package.no_trace(opened))

    assert said == ["module.py has a time or a note of its build."]


def test_the_inspection_refuses_an_order_by_chance(tree):
    zipped = tree.with_suffix(".zip")
    with zipfile.ZipFile(zipped, "w") as written:
        for name in ("b.py", "a.py"):
            entry = zipfile.ZipInfo(name, archive.FIRST_YEAR)
            entry.external_attr = 0o100644 << 16
            written.writestr(entry, "")

    with inspect_package.unpacked(zipped) as opened:
        said = list(inspect_package.no_trace(opened))

    assert said == ["The entries are not in order."]


def test_the_inspection_refuses_a_file_that_lambda_cannot_read(tree):
    zipped = tree.with_suffix(".zip")
    with zipfile.ZipFile(zipped, "w") as written:
        entry = zipfile.ZipInfo("a.py", archive.FIRST_YEAR)
        entry.external_attr = 0o100600 << 16
        written.writestr(entry, "")

    with inspect_package.unpacked(zipped) as opened:
        said = list(inspect_package.no_trace(opened))

    assert "mode 100600" in said[0]


# --- Byte code


def byte_code(tree: Path, *options: str) -> None:
    put(tree, "module.py", "answer = 42\n")
    python = interpreter.find().path
    subprocess.run([python, "-m", "compileall", "-q", *options, str(tree)], check=True)


def test_the_inspection_takes_byte_code_that_is_compiled_for_lambda(tree):
    put(tree, "module.py", "answer = 42\n")
    archive.compile_all(tree, interpreter.find())

    assert found(tree, inspect_package.byte_code) == []


def test_the_inspection_refuses_a_module_without_byte_code(tree):
    put(tree, "module.py", "answer = 42\n")

    assert "module.py has no byte code" in found(tree, inspect_package.byte_code)[0]


def test_the_inspection_refuses_byte_code_by_time(tree):
    byte_code(tree, "--invalidation-mode", "timestamp")

    assert "by time and not by hash" in found(tree, inspect_package.byte_code)[0]


def test_the_inspection_refuses_byte_code_that_every_cold_start_would_compare_with_its_source(tree):
    put(tree, "module.py", "answer = 42\n")
    archive.compile_all(tree, interpreter.find(), "checked-hash")

    assert "is compared with its source at each import" in found(tree, inspect_package.byte_code)[0]


def test_the_inspection_refuses_byte_code_of_another_source(tree):
    byte_code(tree, "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", archive.ON_LAMBDA)
    put(tree, "module.py", "answer = 43\n")

    assert "is not of this source" in found(tree, inspect_package.byte_code)[0]


def test_the_inspection_refuses_byte_code_that_names_another_place(tree):
    byte_code(tree, "--invalidation-mode", "unchecked-hash")

    assert f"names {tree}/module.py" in found(tree, inspect_package.byte_code)[0]


def test_the_inspection_refuses_byte_code_of_another_python(tree):
    byte_code(tree, "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", archive.ON_LAMBDA)
    path = next(tree.rglob("*.pyc"))
    path.write_bytes(b"\xa7\x0d\x0d\x0a" + path.read_bytes()[4:])

    assert "another Python's" in found(tree, inspect_package.byte_code)[0]


def test_the_inspection_refuses_byte_code_that_no_python_on_lambda_looks_for(tree):
    put(tree, "module.py", "answer = 42\n")
    archive.compile_all(tree, interpreter.find())
    put(tree, "__pycache__/module.cpython-311.pyc")

    assert found(tree, inspect_package.byte_code) == [
        "__pycache__/module.cpython-311.pyc is byte code of another Python."
    ]


def test_the_inspection_refuses_byte_code_without_a_source(tree):
    byte_code(tree, "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", archive.ON_LAMBDA)
    (tree / "module.py").unlink()

    assert "has no source" in found(tree, inspect_package.byte_code)[0]


# --- Libraries


def test_the_inspection_refuses_a_symbol_of_a_newer_glibc(tree):
    compiled(tree / "lib.so", "unsigned arc4random(void); unsigned f(void) { return arc4random(); }")  # of 2.36

    assert "lib.so needs glibc 2.36; Lambda has 2.34." in found(tree, inspect_package.libraries)


def test_the_inspection_refuses_a_library_whose_need_is_not_in_the_package(tree, tmp_path):
    compiled(tmp_path / "libother.so", "int other(void) { return 1; }", "-Wl,-soname,libother.so")
    compiled(tree / "lib.so", "int other(void); int f(void) { return other(); }", f"-L{tmp_path}", "-lother")

    needs = "lib.so needs libother.so, which is neither in the package nor glibc's."
    assert found(tree, inspect_package.libraries) == [needs]


def test_the_inspection_refuses_a_library_that_looks_outside_of_the_package(tree):
    compiled(tree / "lib.so", "int f(void) { return 1; }", "-Wl,-rpath,/usr/local/lib")

    looks = "lib.so looks for libraries in /usr/local/lib, outside of the package."
    assert found(tree, inspect_package.libraries) == [looks]


def test_the_inspection_refuses_a_library_that_is_cut_off(tree):
    put(tree, "lib.so", b"\x7fELF")

    assert "lib.so is no library that can be loaded" in found(tree, inspect_package.libraries)[0]


def test_the_inspection_refuses_a_library_for_another_processor(tree):
    compiled(tree / "lib.so", "int f(void) { return 1; }")
    data = bytearray((tree / "lib.so").read_bytes())
    data[18:20] = (0xF3).to_bytes(2, "little")  # RISC-V
    (tree / "lib.so").write_bytes(data)

    assert "lib.so is for RISC-V" in found(tree, inspect_package.libraries)[0]


def test_the_inspection_refuses_a_package_without_the_plugin(tree):
    put(tree, "mysqlclient.libs/plugin/sha256_password.so")

    assert "logins to MySQL 8.4 would fail" in found(tree, inspect_package.plugin)[0]


# --- Imports


@pytest.fixture
def copied(unpacked, tree) -> Path:
    """The package in a folder of its own, from which things can be taken away."""
    shutil.copytree(unpacked, tree, dirs_exist_ok=True, copy_function=os.link)
    return tree


def look(tree: Path) -> list[str]:
    return list(inspect_package.imports(Package(tree, tree, [])))


def test_the_inspection_refuses_a_package_that_lacks_a_dependency(copied):
    shutil.rmtree(copied / "corsheaders")

    assert any("ytbackend.lambda_handler cannot be imported" in said for said in look(copied))


def test_the_inspection_refuses_a_package_that_lacks_what_zappas_handler_imports(copied):
    shutil.rmtree(copied / "werkzeug")

    assert any("zappa.handler cannot be imported" in said for said in look(copied))


def test_the_inspection_refuses_a_package_that_lacks_a_service_of_aws(copied):
    shutil.rmtree(copied / "botocore/data/sqs")

    assert any("A client of AWS cannot be made" in said for said in look(copied))


def test_the_inspection_refuses_a_plugin_that_lacks_a_library(copied):
    for library in copied.glob("mysqlclient.libs/libcrypto*"):
        library.unlink()

    assert any("caching_sha2_password.so cannot be loaded" in said for said in look(copied))


def test_the_inspection_refuses_a_driver_that_does_not_know_where_its_plugins_are(copied):
    module = copied / "MySQLdb/__init__.py"
    source = module.read_text().replace("MARIADB_PLUGIN_DIR", "ANOTHER_VARIABLE")
    module.unlink()  # a link to what other tests use
    module.write_text(source)
    shutil.rmtree(module.parent / "__pycache__")  # which is taken unseen

    assert any("libmariadb would look for plugins in None" in said for said in look(copied))
