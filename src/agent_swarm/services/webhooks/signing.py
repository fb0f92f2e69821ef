"""Signatures of Standard Webhooks: HMAC-SHA256 over id, timestamp and body, under a secret that both ends have."""

import base64
import binascii
import hashlib
import hmac
import os

PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """A fresh secret, as receivers are given it."""
    return PREFIX + base64.b64encode(os.urandom(_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """What is signed with: behind `whsec_` it is base64; any other secret counts as it is."""
    secret = secret.strip()
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()


def signature(secret: str, *, id: str, timestamp: int, body: bytes) -> str:
    """What the header Webhook-Signature says; `timestamp` is in seconds."""
    content = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key_of(secret), content, hashlib.sha256).digest()).decode()


def headers(secret: str, *, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What a delivery carries besides its body."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "agent-swarm",
        "Webhook-Id": id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": signature(secret, id=id, timestamp=timestamp, body=body),
    }
