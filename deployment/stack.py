"""The infrastructure as CloudFormation has made it: outputs, secrets, and the worker's variables."""

import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ProfileNotFound

from deployment import keyset

# All others are on the way or broken:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-view-stack-data-resources.html
_STEADY = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
}


class Refused(Exception):
    """What is asked for cannot be had. The message says why and what to do next."""


class Stack:
    """One stack of ``infrastructure.yaml``. Every method raises ``Refused``."""

    def __init__(self, name: str, region: str | None = None) -> None:
        self.name = name
        with _told(f"AWS cannot be asked for the stack {name}"):
            self._session = boto3.Session(region_name=region)
        self._outputs: dict[str, str] = {}

    def outputs(self) -> dict[str, str]:
        """The outputs by name; asked for once."""
        if not self._outputs:
            with _told(f"The stack {self.name} cannot be read"):
                found = self._client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
            if found["StackStatus"] not in _STEADY:
                raise Refused(
                    f"The stack {self.name} is in {found['StackStatus']}. Wait until it is complete, or mend it: "
                    f"aws cloudformation describe-stack-events --stack-name {self.name}"
                )
            self._outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
        return self._outputs

    def output(self, name: str) -> str:
        """One output."""
        try:
            return self.outputs()[name]
        except KeyError:
            raise Refused(
                f"The stack {self.name} has no output {name}. Update it from this version of infrastructure.yaml."
            ) from None

    def sign_in_page(self) -> str:
        """COGNITO_DOMAIN; empty where the stack was made without AdminSignInDomainPrefix."""
        return self.outputs().get("CognitoDomain", "")

    def database_url(self) -> str:
        """DATABASE_URL with the password that is in force now, percent-encoded."""
        secret = self._secret("DatabaseSecretArn")
        try:
            values = json.loads(secret)
            words = {name: urllib.parse.quote(values[name], safe="") for name in ("username", "password")}
        except (ValueError, KeyError, TypeError):
            raise Refused("The database's secret has no username and password. RDS writes it: look at it.") from None
        return self.output("DatabaseUrlPattern").format(**words)

    def django_secret_key(self) -> str:
        """DJANGO_SECRET_KEY of the API."""
        return self._secret("DjangoSecretArn")

    def proxy_url(self) -> str:
        """YOUTUBE_PROXY_URL, or empty where the stack was given none."""
        return self._secret("ProxySecretArn") if "ProxySecretArn" in self.outputs() else ""

    def key_set(self) -> str:
        """COGNITO_JWKS: the pool's public keys, from where its tokens' issuer publishes them."""
        address = self._client("cognito-idp").meta.endpoint_url
        try:
            return keyset.fetch(f"{address}/{self.output('UserPoolId')}/.well-known/jwks.json")
        except keyset.KeysRefused as refused:
            raise Refused(str(refused)) from None

    def worker_variables(self) -> dict[str, str]:
        """The worker's environment but for its secrets."""
        name = self.output("WorkerParameter")
        with _told(f"The parameter {name} cannot be read"):
            text = self._client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def _secret(self, output: str) -> str:
        arn = self.output(output)
        with _told(f"The secret {arn} cannot be read"):
            text: str = self._client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        return text

    def _client(self, service: str) -> Any:
        with _told(f"AWS cannot be asked for the stack {self.name}"):
            return self._session.client(service)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turns what boto3 raises into a sentence that ends with what to do."""
    try:
        yield
    except NoRegionError:
        raise Refused(f"{what}: no region is known. Name it: --region eu-central-1") from None
    except ProfileNotFound as error:
        raise Refused(f"{what}: {error}. docs/deploy.md makes it, or name another one: AWS_PROFILE") from None
    except NoCredentialsError:
        raise Refused(f"{what}: there are no credentials. Log in first: aws configure, or aws sso login.") from None
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "ValidationError" and "does not exist" in message:
            raise Refused(f"{what}: it is not in this account and region. aws cloudformation list-stacks") from None
        advice = {
            "AccessDenied": "Assume the deployer's role (docs/deploy.md), or ask for its rights.",
            "AccessDeniedException": "Assume the deployer's role (docs/deploy.md), or ask for its rights.",
            "ExpiredToken": "Log in again.",
            "ExpiredTokenException": "Log in again.",
            "InvalidClientTokenId": "These credentials are not known to AWS: log in again.",
            "UnrecognizedClientException": "These credentials are not known to AWS: log in again.",
        }.get(code, "See what AWS says, and try again.")
        raise Refused(f"{what}: {code}: {message} {advice}") from None
    except BotoCoreError as error:
        raise Refused(f"{what}: {error} Check the network, the region and the profile.") from None
