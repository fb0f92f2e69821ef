"""A Google Secret Manager, the token endpoint before it, and the metadata server of a machine of Google's.

The token endpoint takes an assertion that the service account signed, as the real one does, and checks the signature.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from agent_swarm.testing.secret_services.http import LoopbackServer, Reply, Request

EMAIL = "swarm@my-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AUDIENCE = "https://oauth2.googleapis.com/token"  # whatever `token_uri` says
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class FakeGoogle(LoopbackServer):
    """`put("my-project", "github", b"…")`; `credentials_file` is what GOOGLE_APPLICATION_CREDENTIALS names."""

    def __init__(self) -> None:
        super().__init__()
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self._kept: dict[str, list[bytes | None]] = {}
        self._tokens: set[str] = set()
        self.allowed_projects = {"my-project"}

    def put(self, project: str, name: str, content: bytes) -> None:
        """Add a version."""
        self._kept.setdefault(f"projects/{project}/secrets/{name}", []).append(content)

    def disable(self, project: str, name: str) -> None:
        """Disable the newest version."""
        self._kept[f"projects/{project}/secrets/{name}"][-1] = None

    def revoke_all(self) -> None:
        """No access token counts any more."""
        self._tokens.clear()

    def credentials_file(self, folder: Path, *, key: rsa.RSAPrivateKey | None = None) -> Path:
        """A service account's file; with another `key` than the account's its assertions are refused."""
        pem = (key or self._key).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / "service-account.json"
        path.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": "my-project",
                    "private_key_id": "1",
                    "private_key": pem.decode(),
                    "client_email": EMAIL,
                    "client_id": "1",
                    "token_uri": f"{self.url}/token",
                }
            )
        )
        return path

    def answer(self, request: Request) -> Reply:
        """As the three services answer."""
        path = unquote(urlsplit(request.path).path)
        if path == "/token" and request.method == "POST":
            return self._exchange(parse_qs(request.content.decode()))
        if path.startswith("/computeMetadata") or path == "/":
            return self._metadata(request, path)
        return self._access(request, path)

    def _grant(self) -> dict[str, Any]:
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self._tokens.add(token)
        return {"access_token": token, "expires_in": 3_599, "token_type": "Bearer"}

    def _exchange(self, form: Mapping[str, list[str]]) -> Reply:
        if form.get("grant_type") != [GRANT] or not self._is_signed(form.get("assertion", [""])[0]):
            return Reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        return Reply(200, self._grant())

    def _is_signed(self, assertion: str) -> bool:
        head, claims, signature = assertion.split(".")
        try:
            self._key.public_key().verify(
                _unpadded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return False
        told = json.loads(_unpadded(claims))
        wanted = {"iss": EMAIL, "aud": AUDIENCE, "scope": SCOPE}
        return told["exp"] > time.time() and all(told.get(name) == value for name, value in wanted.items())

    def _metadata(self, request: Request, path: str) -> Reply:
        if request.headers.get("metadata-flavor") != "Google":
            return Reply(403, b"Missing Metadata-Flavor:Google header.")
        flavor = {"Metadata-Flavor": "Google"}
        if path.endswith("/token"):
            return Reply(200, self._grant(), flavor)
        if path.endswith("/project-id"):
            return Reply(200, b"my-project", {**flavor, "Content-Type": "text/plain"})
        return Reply(200, {"email": EMAIL, "scopes": [SCOPE], "aliases": ["default"]}, flavor)

    def _access(self, request: Request, path: str) -> Reply:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return _refused(401, "UNAUTHENTICATED")
        name, _, version = path.removeprefix("/v1/").partition("/versions/")
        version, _, verb = version.partition(":")
        if request.method != "GET" or verb != "access":
            return _refused(404, "NOT_FOUND")
        if name.split("/")[1] not in self.allowed_projects:
            return _refused(403, "PERMISSION_DENIED")
        versions = self._kept.get(name, [])
        number = len(versions) if version == "latest" else int(version)
        if not 0 < number <= len(versions):
            return _refused(404, "NOT_FOUND")
        content = versions[number - 1]
        if content is None:
            return _refused(400, "FAILED_PRECONDITION")
        data = base64.b64encode(content).decode()
        return Reply(200, {"name": f"{name}/versions/{number}", "payload": {"data": data}})


def _refused(status: int, code: str) -> Reply:
    return Reply(status, {"error": {"code": status, "message": f"{code} in a message", "status": code}})


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
