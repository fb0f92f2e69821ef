"""What a proxy's client asks for, read from the head of its request."""

import pytest

from agent_swarm.sandbox.proxy_requests import NotUnderstood, ProxyRequest, parse_head


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [("Example.org:443", "example.org", 443), ("[::1]:22", "::1", 22), ("10.0.0.1:80", "10.0.0.1", 80)],
)
def test_given_connect_when_it_is_read_then_it_is_a_tunnel_to_that_place(target: str, host: str, port: int) -> None:
    asked = parse_head(head(f"CONNECT {target} HTTP/1.1", f"Host: {target}"))
    assert (asked, asked.is_tunnel) == (ProxyRequest(host=host, port=port), True)


def test_given_a_plain_request_when_it_is_read_then_it_is_sent_on_as_to_the_host_itself() -> None:
    asked = parse_head(
        head(
            "GET http://user:pass@Example.org:8080/a/b?c=d HTTP/1.1",
            "Host: elsewhere.org",
            "Proxy-Authorization: Basic x",
            "Connection: keep-alive",
            "Accept: */*",
        )
    )
    assert (asked.host, asked.port) == ("example.org", 8080)
    assert asked.head == head("GET /a/b?c=d HTTP/1.1", "Host: Example.org:8080", "Connection: close", "Accept: */*")


@pytest.mark.parametrize(
    "request_line",
    [
        "GET / HTTP/1.1",
        "GET https://example.org/ HTTP/1.1",
        "GET ftp://example.org/ HTTP/1.1",
        "CONNECT example.org HTTP/1.1",
        "CONNECT 0x7f.1:80 HTTP/1.1",
        "CONNECT example.org:443 HTTP/2",
        "CONNECT example.org:443",
        "GET http://example.org/ HTTP/1.1 x",
        "GET http://[::1/ HTTP/1.1",
        "\x16\x03\x01",
        "",
    ],
)
def test_given_anything_else_when_it_is_read_then_it_is_not_understood(request_line: str) -> None:
    with pytest.raises(NotUnderstood):
        parse_head(head(request_line))


def test_given_a_line_that_smuggles_another_when_it_is_read_then_it_is_not_understood() -> None:
    with pytest.raises(NotUnderstood):
        parse_head(b"GET http://example.org/ HTTP/1.1\r\nA: b\nHost: other\r\n\r\n")
