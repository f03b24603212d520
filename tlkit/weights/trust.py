"""One setting of certificates for both HTTP clients. Verification is never switched off.

requests reads REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, huggingface_hub's client SSL_CERT_FILE and
SSL_CERT_DIR; here each reads the other's where its own is not set.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tlkit.errors import WeightsError

OURS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
HUBS = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def authorities() -> str | None:
    """The file, or folder, of trusted certificates that requests is to use; None: its own."""
    return _first(*OURS, *HUBS)


@contextmanager
def client() -> Iterator[None]:
    """huggingface_hub's client with the certificates that requests has; nothing but the file is asked for."""
    from huggingface_hub import close_session, constants

    given = _first(*OURS) if _first(*HUBS) is None else None
    variable = "SSL_CERT_DIR" if given and os.path.isdir(given) else "SSL_CERT_FILE"
    # Otherwise the first question of a process is for a list of coding agents, to tell the hub of one.
    telemetry, constants.HF_HUB_DISABLE_TELEMETRY = constants.HF_HUB_DISABLE_TELEMETRY, True
    try:
        if given:
            close_session()  # it read the variables when it was made
            os.environ[variable] = given
        yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = telemetry
        if given:
            del os.environ[variable]
            close_session()


def _first(*variables: str) -> str | None:
    for variable in variables:
        path = os.environ.get(variable)
        if path and variable == "SSL_CERT_DIR" and not os.path.isdir(path):
            continue  # it may be several, which OpenSSL reads and requests does not
        if path and not os.path.exists(path):
            raise WeightsError(
                f"{variable} names the certificates to trust, and there is no {path}.",
                "Set it to a file of PEM certificates, or unset it.",
            )
        if path:
            return path
    return None
