"""An AWS Secrets Manager that checks version 4 signatures by itself, and the endpoint of a container's role."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from agent_swarm.testing.secret_services.http import LoopbackServer, Reply, Request

SERVICE = "secretsmanager"
TARGET = "secretsmanager.GetSecretValue"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


class FakeAws(LoopbackServer):
    """`put("prod/github", "…")`; `keys` are access key ids with their secrets, `region` the one it answers for."""

    def __init__(self, *, region: str = "eu-central-1") -> None:
        super().__init__()
        self.region = region
        self.keys = {"AKIASWARM": "key-of-the-swarm"}
        self.expired: set[str] = set()  # session tokens that lapsed
        self.denied: set[str] = set()
        self._kept: dict[str, list[str | bytes]] = {}

    def put(self, name: str, content: str | bytes) -> None:
        """Add a version, which becomes AWSCURRENT; the one before is AWSPREVIOUS."""
        self._kept.setdefault(name, []).append(content)

    def answer(self, request: Request) -> Reply:
        """As Secrets Manager answers."""
        match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if match is None:
            return _refused(400, "MissingAuthenticationToken")
        if match["key"] not in self.keys:
            return _refused(400, "UnrecognizedClientException")
        if request.headers.get("x-amz-security-token") in self.expired:
            return _refused(400, "ExpiredTokenException")
        scope = (match["region"], match["service"])
        if scope != (self.region, SERVICE) or not self._is_signed(request, match.groupdict()):
            return _refused(400, "InvalidSignatureException")
        if request.headers.get("x-amz-target") != TARGET:
            return _refused(400, "InvalidAction")
        return self._get(json.loads(request.content))

    def _get(self, asked: Mapping[str, str]) -> Reply:
        name = asked["SecretId"]
        if name in self.denied:
            return _refused(400, "AccessDeniedException")
        versions = self._kept.get(name, [])
        stages = dict(zip(("AWSCURRENT", "AWSPREVIOUS"), reversed(versions), strict=False))
        content = stages.get(asked.get("VersionStage", "AWSCURRENT"))
        if "VersionId" in asked:
            content = next((one for one in versions if version_id(one) == asked["VersionId"]), None)
        if content is None:
            return _refused(400, "ResourceNotFoundException")
        value = (
            {"SecretString": content}
            if isinstance(content, str)
            else {"SecretBinary": base64.b64encode(content).decode()}
        )
        return Reply(200, {"Name": name, "VersionId": version_id(content), **value}, _TYPE)

    def _is_signed(self, request: Request, told: Mapping[str, str]) -> bool:
        """The signature of the request as it came, computed anew."""
        signed = told["signed"].split(";")
        if not {"host", "x-amz-date"} <= set(signed):
            return False
        lines = [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in signed]
        payload = hashlib.sha256(request.content).hexdigest()
        canonical = "\n".join([request.method, request.path, "", *lines, "", told["signed"], payload])
        scope = f"{told['day']}/{told['region']}/{told['service']}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, digest])
        key = f"AWS4{self.keys[told['key']]}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(key.hex(), told["signature"])


_TYPE = {"Content-Type": "application/x-amz-json-1.1"}


def version_id(content: str | bytes) -> str:
    """The id of the version with this content."""
    raw = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()[:32]


def throttled(**headers: str) -> Reply:
    """What it answers to who asks too often."""
    return _refused(400, "ThrottlingException", headers)


def _refused(status: int, code: str, headers: Mapping[str, Any] | None = None) -> Reply:
    return Reply(status, {"__type": code, "message": f"{code} in a message"}, {**_TYPE, **(headers or {})})
