"""What moto 5.2 lacks, or does in another way than AWS, of what Zappa calls; put right while ``mended`` lasts."""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import boto3
from moto.apigateway.models import Method, RestAPI, apigateway_backends
from moto.awslambda import models as lambda_models
from moto.awslambda import urls as lambda_urls
from moto.awslambda.exceptions import PreconditionFailedException

from local.aws.functions import Functions, log_lines
from local.aws.lambda_runtime import Invocation

BUCKET = "awslambda-packages"  # where Lambda keeps what it was given
_FUNCTION_URLS = r"{0}/2021-10-31/functions/(?P<function_name>[\w_:%-]+)/urls/?$"


def run(functions: Functions, function: Any, event: Any) -> Invocation:
    """One invocation, whose lines CloudWatch keeps."""
    outcome = functions.invoke(function, event)
    lines = log_lines(outcome, function)
    function.logs_backend.ensure_log_group(function.logs_group_name)
    function.save_logs(lines)
    return outcome._replace(log=lines)


@contextlib.contextmanager
def mended(functions: Functions, endpoint: Callable[[], str]) -> Iterator[None]:
    """Functions are run by ``functions``; ``endpoint`` says where the server is, once it is there."""
    by_name = lambda_models.LambdaStorage.get_function_by_name_with_qualifier
    code = lambda_models.LambdaFunction.get_code
    configuration = lambda_models.LambdaFunction.get_configuration
    update = lambda_models.LambdaFunction.update_configuration
    patch_api = RestAPI.apply_patch_operations
    method = Method.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]

    def _invoke(function: Any, event: Any = None) -> tuple[str, bool, str]:
        outcome = run(functions, function, {} if event is None else event)
        return json.dumps(outcome.answer if outcome.error is None else outcome.error), bool(outcome.error), outcome.log

    def _by_name(storage: Any, name: str, qualifier: str | None = None) -> Any:
        return by_name(storage, name.removeprefix("function:"), qualifier)  # as `zappa rollback` names it

    def _code(function: Any) -> Any:
        found = code(function)
        if "Location" in found.get("Code", {}):
            found["Code"]["Location"] = _download_address(function, endpoint())
        return found

    def _configuration(function: Any, on_create: bool = False) -> Any:
        found = configuration(function, on_create)
        return found | {"RevisionId": _revision(found)}

    def _update(function: Any, changes: dict[str, Any]) -> Any:
        if changes.get("RevisionId", _revision(configuration(function))) != _revision(configuration(function)):
            raise PreconditionFailedException("The function has changed since.")
        update(function, changes)
        return _configuration(function)

    def _patch_api(api: Any, operations: list[dict[str, Any]]) -> None:
        for operation in operations:  # a media type stands in the path, with ~1 for /, and there is no value
            head, _, media_type = operation["path"].partition("/binaryMediaTypes/")
            if not head and media_type and operation["op"] == "add":
                api.binaryMediaTypes.append(media_type.replace("~1", "/"))
            elif operation["path"] == "/minimumCompressionSize":
                api.minimum_compression_size = int(operation["value"]) if operation.get("value") else None
            else:
                patch_api(api, [operation])

    def _method(kind: Any, /, name: str, template: dict[str, Any], account: str, region: str, **more: Any) -> Any:
        made = method(kind, name, template, account, region, **more)
        made.method_integration.credentials = template["Properties"]["Integration"].get("Credentials")
        return made

    def _delete_api(api: Any, account: str, region: str) -> None:
        apigateway_backends[account][region].delete_rest_api(api.id)

    with contextlib.ExitStack() as patches:
        for target, name, replacement in (
            (lambda_models.LambdaFunction, "_invoke_lambda", _invoke),
            (lambda_models.LambdaFunction, "get_code", _code),
            (lambda_models.LambdaFunction, "get_configuration", _configuration),
            (lambda_models.LambdaFunction, "update_configuration", _update),
            (lambda_models.LambdaStorage, "get_function_by_name_with_qualifier", _by_name),
            (RestAPI, "apply_patch_operations", _patch_api),
            (Method, "create_from_cloudformation_json", classmethod(_method)),
        ):
            patches.enter_context(mock.patch.object(target, name, replacement))
        patches.enter_context(mock.patch.object(RestAPI, "delete", _delete_api, create=True))
        patches.enter_context(mock.patch.dict(lambda_urls.url_paths, {_FUNCTION_URLS: _no_function_urls}))
        yield


def _revision(configuration: dict[str, Any]) -> str:
    """Another one after each change."""
    text = json.dumps({name: value for name, value in configuration.items() if name != "RevisionId"}, default=str)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


def _no_function_urls(request: Any, full_url: str, headers: Any) -> tuple[int, dict[str, str], str]:
    return 200, {}, json.dumps({"FunctionUrlConfigs": []})


def _download_address(function: Any, endpoint: str) -> str:
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    key = function.code_sha_256.replace("/", "_")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=key, Body=function.code_bytes)
    address: str = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key})
    return address
