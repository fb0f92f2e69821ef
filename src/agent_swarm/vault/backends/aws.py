"""Secrets in AWS Secrets Manager: `aws-sm://name[#key]`. Needs the extra `cloud`.

boto3 finds region, credentials and endpoint as every program of AWS does: variables, profiles, the role of an
instance, a container or a web identity, `AWS_ENDPOINT_URL_SECRETS_MANAGER` for a private endpoint.
"""

import os
import re
import threading
from typing import Any

from agent_swarm.vault.backends.errors import BackendUnavailable, BackendUnusable, SecretDenied, SecretNotFound
from agent_swarm.vault.backends.fields import chosen, text_of
from agent_swarm.vault.backends.references import Reference
from agent_swarm.vault.backends.settings import BackendSettings

WHO = "AWS Secrets Manager"
_VERSION_ID = re.compile(r"[0-9a-fA-F-]{32,64}")

_MISSING = {"ResourceNotFoundException", "InvalidRequestException"}  # the latter: marked for deletion, or never filled
_EXPIRED = {"ExpiredTokenException", "ExpiredToken", "RequestExpired"}
_REFUSED = {
    "AccessDeniedException",
    "AccessDenied",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "DecryptionFailure",
}
_BUSY = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}


class AwsBackend:
    """The Secrets Manager of one account and region."""

    def __init__(self, settings: BackendSettings) -> None:
        self._seconds = settings.timeout_seconds
        self._client: Any = None
        self._making = threading.Lock()

    def read(self, reference: Reference, *, seconds: float) -> str:
        """The current version, or the one with that id or staging label."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        asked = {"SecretId": reference.path, **_version(reference)}
        try:
            answer = self._found().get_secret_value(**asked)
        except ClientError as exc:
            raise refusal(exc.response, str(reference)) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise BackendUnusable(
                "this server has no credentials for AWS", hint="give it a role, a profile, or AWS_ACCESS_KEY_ID"
            ) from None
        except BotoCoreError as exc:
            raise BackendUnavailable(f"{WHO} cannot be reached: {type(exc).__name__}") from None
        text = answer.get("SecretString")
        return chosen(text if text is not None else text_of(answer["SecretBinary"], reference), reference)

    def _found(self) -> Any:
        """The client, which may be used by several threads; to make it may not."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        with self._making:
            if self._client is None:
                once = Config(
                    connect_timeout=self._seconds, read_timeout=self._seconds, retries={"total_max_attempts": 1}
                )
                region = os.environ.get("AWS_REGION") or None
                try:
                    self._client = boto3.Session().client("secretsmanager", config=once, region_name=region)
                except (BotoCoreError, ValueError) as exc:
                    raise BackendUnusable(
                        f"the settings for AWS cannot be used: {type(exc).__name__}", hint="set AWS_REGION"
                    ) from None
            return self._client


def _version(reference: Reference) -> dict[str, str]:
    if not reference.version:
        return {}
    is_id = _VERSION_ID.fullmatch(reference.version)
    return {"VersionId" if is_id else "VersionStage": reference.version}


def refusal(answer: Any, what: str) -> Exception:
    """What a refusal of AWS means for `what` was asked for. Its own words are left out: they may name accounts."""
    code = answer.get("Error", {}).get("Code", "")
    metadata = answer.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    if code in _MISSING:
        return SecretNotFound(f"AWS has nothing at {what}", hint="check name, region and version")
    if code in _EXPIRED:
        return SecretDenied("the credentials of this server for AWS have expired", hint="renew them")
    if code in _REFUSED or status in (401, 403):
        return SecretDenied(
            f"AWS does not let this server read {what}",
            hint="its role needs secretsmanager:GetSecretValue, and kms:Decrypt where a key of your own is used",
        )
    if code in _BUSY or status == 429 or status >= 500:
        told = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
        return BackendUnavailable(f"{WHO} is busy ({code or status})", retry_after=float(told) if told.isdigit() else 0)
    return BackendUnavailable(f"{WHO} answered {code or status} to {what}", retry_after=None)
