"""Lambda's Runtime API: small handlers under the real runtime client."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.aws.functions import python_with_client
from local.aws.lambda_runtime import InitError, LambdaRuntime

pytestmark = pytest.mark.usefixtures("lambdas_python")


@contextmanager
def running(folder: Path, code: str, *, timeout_s: float = 20, **environment: str) -> Iterator[LambdaRuntime]:
    (folder / "code.py").write_text(code)
    python = python_with_client()
    with LambdaRuntime(folder, "code.handler", python=python, environment=environment, timeout_s=timeout_s) as runtime:
        yield runtime


def test_it_hands_over_an_event_and_brings_back_the_answer(tmp_path):
    with running(
        tmp_path, "def handler(event, context): return {'got': event, 'id': context.aws_request_id}"
    ) as runtime:
        outcome = runtime.invoke({"é": [1]})

    assert outcome.answer["got"] == {"é": [1]}
    assert outcome.answer["id"]
    assert outcome.milliseconds > 0
    assert runtime.init_milliseconds > 0


def test_it_tells_what_was_raised_and_goes_on(tmp_path):
    with running(tmp_path, "def handler(event, context): return 1 / event") as runtime:
        failed, fine = runtime.invoke(0), runtime.invoke(4)

    assert (failed.error["errorType"], failed.answer) == ("ZeroDivisionError", None)
    assert (fine.answer, fine.error) == (0.25, None)


def test_it_keeps_the_log_of_each_event_apart(tmp_path):
    with running(tmp_path, "def handler(event, context): print('seen', event)") as runtime:
        first, second = runtime.invoke(1), runtime.invoke(2)

        assert (first.log, second.log) == ("seen 1\n", "seen 2\n")
        assert runtime.log() == "seen 1\nseen 2\n"


def test_it_says_that_the_process_has_died(tmp_path):
    with running(tmp_path, "import os\ndef handler(event, context): os._exit(3)") as runtime:
        outcome = runtime.invoke({})

        assert outcome.error["errorType"] == "Runtime.ExitError"
        assert "exit status 3" in outcome.error["errorMessage"]
        assert not runtime.alive


def test_it_ends_what_takes_too_long(tmp_path):
    with running(tmp_path, "def handler(event, context):\n  while True: pass", timeout_s=0.5) as runtime:
        outcome = runtime.invoke({})

        assert outcome.error["errorType"] == "Sandbox.Timedout"
        assert not runtime.alive


def test_it_tells_a_function_how_long_it_has(tmp_path):
    code = "def handler(event, context): return context.get_remaining_time_in_millis()"
    with running(tmp_path, code, timeout_s=7) as runtime:
        assert 6_000 < runtime.invoke({}).answer <= 7_000


def test_it_takes_no_answer_that_lambda_would_not_take(tmp_path):
    with running(tmp_path, "def handler(event, context): return 'x' * 7_000_000") as runtime:
        assert runtime.invoke({}).error["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("raise RuntimeError('not today')", "not today"),
        ("other = 1", "Handler 'handler' missing"),
        ("def handler(", "Syntax error"),
        ("import os; os._exit(4)", "exit status 4"),
    ],
)
def test_it_says_why_a_module_cannot_be_loaded(tmp_path, code, said):
    with pytest.raises(InitError, match=said.replace("(", r"\(")), running(tmp_path, code):
        pass


def test_nothing_but_the_package_is_in_reach(tmp_path, monkeypatch):
    monkeypatch.setenv("FROM_OUTSIDE", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    code = (
        "import importlib.util, os\n"
        "def handler(event, context):\n"
        "  return [name for name in event if importlib.util.find_spec(name)], dict(os.environ), os.getcwd()"
    )
    with running(tmp_path, code, OURS="yes") as runtime:
        found, environment, folder = runtime.invoke(["django", "boto3", "ytbackend", "local", "pip", "code"]).answer

    assert found == ["code"]
    assert folder == str(tmp_path)
    assert (environment["OURS"], environment["AWS_LAMBDA_FUNCTION_NAME"]) == ("yes", "yt-backend-default")
    assert "FROM_OUTSIDE" not in environment
    assert environment["HOME"] != os.environ.get("HOME")


def test_its_process_ends_with_it(tmp_path):
    with running(tmp_path, "def handler(event, context): pass") as runtime:
        pid = runtime.pid

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
