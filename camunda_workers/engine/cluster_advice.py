"""What to do about a connection that does not work, as far as the error's words tell."""

from __future__ import annotations

import re
from typing import Final

from camunda_workers.errors import CamundaWorkersError, DeadlineExceeded, EngineUnavailable, Unauthenticated

_RULES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|unable to get local issuer|self.signed",
        "the cluster's certificate is signed by an authority this machine does not know: name its PEM file in CAMUNDA_CA_CERTIFICATE_PATH",
    ),
    (
        r"hostname mismatch|not valid for|Peer name .* is not in peer certificate",
        "the certificate is for another name: use the name that it has",
    ),
    (r"WRONG_VERSION_NUMBER|wrong version number|record layer failure", "there is no TLS on that port: use grpc:// or http://"),
    (
        r"certificate required|CERTIFICATE_REQUIRED",
        "the cluster wants a certificate of ours: CAMUNDA_MTLS_CERT_PATH and CAMUNDA_MTLS_KEY_PATH",
    ),
    (
        r"name resolution|Name or service not known|nodename nor servname|DNS|getaddrinfo",
        "the host's name is not known here: correct the address, or the DNS",
    ),
    (
        r"invalid_client|unauthorized_client|HTTP 401",
        "the identity provider does not know the client: check CAMUNDA_CLIENT_ID and CAMUNDA_CLIENT_SECRET",
    ),
    (r"[Aa]udience", "the token is for somebody else: set CAMUNDA_TOKEN_AUDIENCE to what the cluster expects"),
)


def advice(error: CamundaWorkersError, way: str = "") -> str:
    """What to do about an error, as far as its words tell."""
    text = str(error)
    for pattern, fix in _RULES:
        if re.search(pattern, text):
            return fix
    if isinstance(error, Unauthenticated):
        return "the cluster does not take our credentials: CAMUNDA_CLIENT_ID, _SECRET, CAMUNDA_OAUTH_URL and CAMUNDA_TOKEN_AUDIENCE, or CAMUNDA_BASIC_AUTH_*"
    if isinstance(error, EngineUnavailable | DeadlineExceeded):
        variable = "CAMUNDA_REST_ADDRESS" if way == "REST" else "ZEEBE_GRPC_ADDRESS"
        hint = ", with grpcs:// if the cluster wants TLS" if way == "gRPC" else ""
        return f"is {variable} right{hint}, does the cluster run, does a firewall or proxy let us through?"
    if "denied" in text.lower() or "FORBIDDEN" in text:
        return "the client is known but has not the right: give it one (Orchestration Cluster Admin, authorizations)"
    return "see the cluster's log"
