"""Types of ``infrastructure.yaml`` that moto skips in silence, so that every resource and output exists.

What is neither moto's, nor made here, nor named in ``LEFT_OUT``, is refused: a template that grows must not lose its
new parts unnoticed.
"""

import contextlib
import json
import secrets
import string
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cognitoidp.models import cognitoidp_backends
from moto.secretsmanager.models import secretsmanager_backends

# Each with why it may be missing here: nobody in the local AWS would look at it.
LEFT_OUT = {
    "AWS::ApiGateway::GatewayResponse": "what the gateway answers by itself is plain here",
    "AWS::AutoScaling::LifecycleHook": "no machine is started",
    "AWS::AutoScaling::ScalingPolicy": "no machine is started",
    "AWS::CloudWatch::Alarm": "nothing is measured",
    "AWS::Cognito::UserPoolDomain": "staff sign in at the page of local/sign_in.py",
    "AWS::EC2::SecurityGroupEgress": "no packet is filtered",
    "AWS::S3::BucketPolicy": "who asks, and how, is not checked",
    "AWS::SNS::Subscription": "no mail is sent",
    "AWS::SNS::TopicPolicy": "who asks is not checked",
    "AWS::SQS::QueuePolicy": "who asks, and how, is not checked",
    "AWS::WAFv2::WebACL": "no request is filtered",
    "AWS::WAFv2::WebACLAssociation": "no request is filtered",
}
# What RDS's own passwords are made of (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html).
PASSWORD_LETTERS = string.ascii_letters + string.digits + "!#$%&*()-_=+[]{}<>:?|~"


class Made:
    """A resource, by what others ask of it."""

    def __init__(self, physical_id: str, **attributes: str) -> None:
        self.physical_resource_id = physical_id
        self._attributes = attributes

    def get_cfn_attribute(self, name: str) -> str:
        """What ``Fn::GetAtt`` wants; dots are underscores here."""
        if name.replace(".", "_") not in self._attributes:
            raise ValidationError(message=f"The local stand-in of {self.physical_resource_id} has no {name}.")
        return self._attributes[name.replace(".", "_")]

    def is_created(self) -> bool:
        """At once."""
        return True

    def delete(self, account: str, region: str) -> None:
        """Nothing: it ends with the account."""


class Place(NamedTuple):
    """Where a resource is made: its name, account and region."""

    name: str
    account: str
    region: str


Maker = Callable[[Place, dict[str, Any]], Any]


@contextlib.contextmanager
def whole_templates(database_host: str) -> Iterator[None]:
    """While this lasts, stacks have every type; each database is said to be at ``database_host``."""
    moto_class, moto_name = parsing.resource_class_from_type, parsing.resource_name_property_from_type

    def _database(place: Place, properties: dict[str, Any]) -> Made:
        attributes = {"Endpoint_Address": database_host, "Endpoint_Port": str(properties.get("Port", 3306))}
        if str(properties.get("ManageMasterUserPassword")).lower() == "true":
            password = "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(28))
            text = json.dumps({"username": properties["MasterUsername"], "password": password})
            attributes["MasterUserSecret_SecretArn"] = _kept(place, f"rds!db-{uuid.uuid4()}", text)
        return Made(place.name, **attributes)

    makers: dict[str, tuple[Maker, str]] = {
        "AWS::Cognito::UserPool": (_user_pool, "UserPoolName"),
        "AWS::Cognito::UserPoolClient": (_user_pool_client, "ClientName"),
        "AWS::Cognito::UserPoolGroup": (_user_pool_group, "GroupName"),
        "AWS::RDS::DBInstance": (_database, "DBInstanceIdentifier"),
        "AWS::SecretsManager::Secret": (_secret, "Name"),
        **dict.fromkeys(LEFT_OUT, (_nothing, "")),
    }

    def _class(kind: str) -> Any:
        if kind in makers:
            return _model(makers[kind][0])
        if kind not in parsing.get_model_map() and kind not in parsing.NULL_MODELS:
            raise ValidationError(
                message=f"{kind} is not known here. Make it in local/aws/cloudformation.py, or say in LEFT_OUT why not."
            )
        return moto_class(kind)

    def _name(kind: str) -> str | None:
        return makers[kind][1] if kind in makers else moto_name(kind)

    clean, load_parameters = parsing.clean_json, parsing.ResourceMap.load_parameters

    def _clean(part: Any, resources: Any) -> Any:
        """``AWS::NoValue`` takes its place out of a list."""
        if isinstance(part, dict) and "Fn::Join" in part:
            between, parts = part["Fn::Join"]
            return between.join(str(found) for found in parsing.clean_json(parts, resources))
        cleaned = clean(part, resources)
        return [found for found in cleaned if found is not None] if isinstance(part, list) else cleaned

    def _load_parameters(resources: Any) -> None:
        """A list's default is a list, too."""
        load_parameters(resources)
        for name, parameter in resources._template.get("Parameters", {}).items():
            value = resources._parsed_resources[name]
            if parameter["Type"] == "CommaDelimitedList" and isinstance(value, str):
                resources._parsed_resources[name] = resources.resolved_parameters[name] = value.split(",")

    with (
        mock.patch.object(parsing, "clean_json", _clean),
        mock.patch.object(parsing.ResourceMap, "load_parameters", _load_parameters),
        mock.patch.object(parsing, "resource_class_from_type", _class),
        mock.patch.object(parsing, "resource_name_property_from_type", _name),
    ):
        yield


def _model(make: Maker) -> type:
    class Model:
        """What moto asks of a type."""

        @classmethod
        def has_cfn_attr(cls, name: str) -> bool:
            return True

        @classmethod
        def create_from_cloudformation_json(
            cls, name: str, template: dict[str, Any], account_id: str, region_name: str, **_: Any
        ) -> Any:
            return make(Place(name, account_id, region_name), dict(template.get("Properties") or {}))

        @classmethod
        def update_from_cloudformation_json(cls, original_resource: Any, **_: Any) -> Any:
            return original_resource

    return Model


def _user_pool(place: Place, properties: dict[str, Any]) -> Made:
    name = properties.pop("UserPoolName", place.name)
    pool = cognitoidp_backends[place.account][place.region].create_user_pool(name, properties)
    issuer = f"cognito-idp.{place.region}.amazonaws.com/{pool.id}"
    return Made(pool.id, Arn=pool.arn, UserPoolId=pool.id, ProviderName=issuer, ProviderURL=f"https://{issuer}")


def _user_pool_client(place: Place, properties: dict[str, Any]) -> Made:
    pool = properties.pop("UserPoolId")
    properties.setdefault("ReadAttributes", ["email", "email_verified"])  # a client may read them unless it says what
    has_secret = str(properties.pop("GenerateSecret", False)).lower() == "true"
    made = cognitoidp_backends[place.account][place.region].create_user_pool_client(pool, has_secret, properties)
    return Made(made.id, ClientId=made.id, ClientSecret=made.secret or "")


def _user_pool_group(place: Place, properties: dict[str, Any]) -> Made:
    backend = cognitoidp_backends[place.account][place.region]
    backend.create_group(properties["UserPoolId"], place.name, properties.get("Description", ""), "", 0)
    return Made(place.name)


def _secret(place: Place, properties: dict[str, Any]) -> Made:
    text = properties.get("SecretString", "")
    if (asked := properties.get("GenerateSecretString")) is not None:
        letters = string.ascii_letters + string.digits
        if str(asked.get("ExcludePunctuation", False)).lower() != "true":
            letters += string.punctuation
        letters = "".join(letter for letter in letters if letter not in asked.get("ExcludeCharacters", ""))
        text = "".join(secrets.choice(letters) for _ in range(int(asked.get("PasswordLength", 32))))
        if "SecretStringTemplate" in asked:
            text = json.dumps({**json.loads(asked["SecretStringTemplate"]), asked["GenerateStringKey"]: text})
    arn = _kept(place, properties.get("Name", place.name), text)
    return Made(arn, Id=arn)


def _kept(place: Place, name: str, text: str) -> str:
    """Puts a text among the secrets; gives its ARN."""
    answer = secretsmanager_backends[place.account][place.region].create_secret(
        name=name,
        secret_string=text,
        secret_binary=None,
        description=None,
        tags=[],
        kms_key_id=None,
        client_request_token=None,
        replica_regions=[],
        force_overwrite=False,
    )
    arn: str = json.loads(answer)["ARN"]
    return arn


def _nothing(place: Place, properties: dict[str, Any]) -> Made:
    return Made(place.name, Arn=f"arn:aws:left-out:{place.region}:{place.account}:{place.name}")
