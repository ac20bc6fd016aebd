"""Somebody with a browser: signs up and in with Cognito, and calls the API at the address that it has in an account."""

import base64
import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
import uuid
from typing import Any, NamedTuple

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from local.aws.account import LocalAws


class Reply(NamedTuple):
    """What came back; header names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Visitor:
    """Calls ``api``, such as ``https://ID.execute-api.REGION.amazonaws.com/default/yt-backend``."""

    def __init__(self, aws: LocalAws, api: str) -> None:
        self.api, self.token, self.email = api, "", f"{uuid.uuid4().hex[:8]}@example.com"
        self._aws = aws
        trust = ssl.create_default_context(cafile=str(aws.names.ca_file))
        proxy = aws.names.environment()["HTTPS_PROXY"]
        self._open = urllib.request.build_opener(
            urllib.request.ProxyHandler({"https": proxy}), urllib.request.HTTPSHandler(context=trust), _NoRedirect
        )

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One request, with the token where there is one; redirects are not followed. ``path`` may be an address."""
        address = path if "://" in path else self.api + path
        request = urllib.request.Request(address, method=method)  # noqa: S310 - our own addresses
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.token and "://" not in path:
            request.add_header("Authorization", f"Bearer {self.token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with self._open.open(request, timeout=60) as answer:
                return Reply(answer.status, _lower(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, _lower(error.headers), error.read())

    def sign_up(self, pool: str, client_id: str) -> None:
        """Makes a user with a password, and confirms the address."""
        cognito, self._password = self._cognito(), f"Aa1-{secrets.token_urlsafe(12)}"
        attributes = [{"Name": "email", "Value": self.email}]
        cognito.sign_up(ClientId=client_id, Username=self.email, Password=self._password, UserAttributes=attributes)
        self._aws.client("cognito-idp").admin_confirm_sign_up(UserPoolId=pool, Username=self.email)

    def sign_in(self, client_id: str) -> None:
        """By SRP, as the client in the infrastructure demands; keeps the ID token.

        moto asks for the steps of the protocol, but does not check the proof.
        https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow-methods.html
        """
        cognito = self._cognito()
        challenge = cognito.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_SRP_AUTH",
            AuthParameters={"USERNAME": self.email, "SRP_A": secrets.token_hex(384)},
        )
        given = challenge["ChallengeParameters"]
        answer = cognito.respond_to_auth_challenge(
            ClientId=client_id,
            ChallengeName=challenge["ChallengeName"],
            ChallengeResponses={
                "USERNAME": given.get("USERNAME", self.email),
                "PASSWORD_CLAIM_SECRET_BLOCK": given["SECRET_BLOCK"],
                "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(secrets.token_bytes(32)).decode(),
                "TIMESTAMP": time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime()),
            },
        )
        self.token = answer["AuthenticationResult"]["IdToken"]

    def _cognito(self) -> Any:
        config = Config(signature_version=UNSIGNED)  # type: ignore[arg-type,unused-ignore]
        return boto3.client("cognito-idp", endpoint_url=self._aws.endpoint, region_name=self._aws.region, config=config)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """The caller looks at the redirect itself."""


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
