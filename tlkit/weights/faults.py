"""Why a download failed, in words, and whether it is worth another try: for both HTTP clients."""

import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

TRIES = 4  # of what may pass, without a single byte between them
AGAIN = (408, 429, 500, 502, 503, 504)
CERTIFICATE = (
    "If your network has an authority of its own, set SSL_CERT_FILE to the file of its certificates."
)


class Failed(Exception):
    """A file could not be had: why, in a sentence without its end."""

    def __init__(self, reason: str, *, tries: int = 1, unreachable: bool = False, hint: str = ""):
        super().__init__(reason)
        self.reason, self.tries, self.unreachable, self.hint = reason, tries, unreachable, hint


def explained(error: Exception, asked: str) -> Failed | None:
    """What an error of requests or of huggingface_hub's client means; None if it is none of theirs.

    `asked` is the address that was asked for, which may have led to another.
    """
    import httpx2
    import requests
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, Failed):
        return error
    if isinstance(error, OfflineModeIsEnabled):
        return Failed(
            f"huggingface_hub is told to stay offline, so {asked} is not asked for", unreachable=True
        )
    if not isinstance(error, requests.RequestException | httpx2.HTTPError | httpx2.InvalidURL):
        return None
    address = _led(error, asked)
    if isinstance(error, requests.HTTPError | HfHubHTTPError) and error.response is not None:
        return _answer(error.response.status_code, address)
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Failed(f"the certificate of {address} is not trusted ({_reason(causes)})", hint=CERTIFICATE)
    absent = Failed(f"{address} cannot be reached ({_reason(causes)})", tries=2, unreachable=True)
    if isinstance(error, requests.ConnectTimeout | httpx2.ConnectTimeout):
        absent.tries = (
            1  # a firewall that swallows everything takes its whole time at each of a name's addresses
        )
        return absent
    if isinstance(error, requests.exceptions.ProxyError | httpx2.ProxyError | httpx2.ConnectError):
        return absent
    if any(type(cause).__name__ in ("NewConnectionError", "NameResolutionError") for cause in causes):
        return absent
    # requests takes a silence within a file for a broken connection.
    if isinstance(error, httpx2.TimeoutException) or any(isinstance(cause, TimeoutError) for cause in causes):
        return Failed(f"{address} has stopped sending", tries=TRIES)
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return Failed(f"the connection to {address} was cut ({_reason(causes)})", tries=TRIES)
    if isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.UnsupportedProtocol):
        return Failed(f"the connection to {address} was cut ({_reason(causes)})", tries=TRIES)
    return Failed(f"{address} cannot be asked for: {str(error).rstrip('.')}")


def asked_to_wait(error: Exception) -> float:
    """The seconds that a server asks to be left alone, if it does."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    seconds = headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else 0.0


def _answer(status: int, address: str) -> Failed:
    if status in (404, 410):
        return Failed(f"{address} is not there (HTTP {status})")
    if status in (401, 403, 407, 451):
        return Failed(f"{address} is refused (HTTP {status})")
    return Failed(f"{address} answers HTTP {status}", tries=TRIES if status in AGAIN else 1)


def _led(error: Exception, asked: str) -> str:
    """The address, with the host that it led to: the one that a firewall must let through."""
    try:
        request = getattr(error, "request", None)
    except RuntimeError:  # httpx2 raises where there is none
        return asked
    host = urlsplit(str(getattr(request, "url", ""))).netloc.rpartition("@")[2]
    return f"{asked} (at {host})" if host and host != urlsplit(asked).netloc else asked


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it came from: requests and urllib3 keep it in three places."""
    waiting, seen = [error], set()
    while waiting:
        part = waiting.pop(0)
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        found = (part.__cause__, part.__context__, getattr(part, "reason", None), *part.args)
        waiting += [other for other in found if isinstance(other, BaseException)]


def _reason(causes: list[BaseException]) -> str:
    """What the operating system said, or the innermost error in its own words."""
    for cause in reversed(causes):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror[0].lower() + cause.strerror[1:]
    text = " ".join(str(causes[-1]).split())
    return text[:120] or type(causes[-1]).__name__
