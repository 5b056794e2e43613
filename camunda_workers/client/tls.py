"""What TLS trusts and shows: the machine's authorities or the settings' own, and our certificate where the cluster asks for one."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc
import httpx

from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import ConnectionSettings


def grpc_credentials(settings: ConnectionSettings) -> grpc.ChannelCredentials:
    """How a gRPC channel checks the cluster and shows who we are.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    return grpc.ssl_channel_credentials(
        root_certificates=_read(settings.ca_certificate, "CAMUNDA_CA_CERTIFICATE_PATH"),
        private_key=_read(settings.client_key, "CAMUNDA_MTLS_KEY_PATH"),
        certificate_chain=_read(settings.client_certificate, "CAMUNDA_MTLS_CERT_PATH"),
    )


def http_context(settings: ConnectionSettings) -> ssl.SSLContext | bool:
    """What httpx is to verify with: the usual authorities, and the settings' own besides (an identity provider may be a public one).

    Raises:
        ConfigurationError: a file cannot be read or holds no certificate.
    """
    if settings.ca_certificate is None and settings.client_certificate is None:
        return True
    context = httpx.create_ssl_context()
    if settings.ca_certificate is not None:
        _read(settings.ca_certificate, "CAMUNDA_CA_CERTIFICATE_PATH")
        try:
            context.load_verify_locations(cafile=settings.ca_certificate)
        except ssl.SSLError as error:
            raise _unusable("CAMUNDA_CA_CERTIFICATE_PATH", settings.ca_certificate, "it holds no certificate in PEM") from error
    if settings.client_certificate is not None and settings.client_key is not None:
        _read(settings.client_certificate, "CAMUNDA_MTLS_CERT_PATH")
        _read(settings.client_key, "CAMUNDA_MTLS_KEY_PATH")
        try:
            context.load_cert_chain(settings.client_certificate, settings.client_key)
        except ssl.SSLError as error:
            raise _unusable("CAMUNDA_MTLS_CERT_PATH", settings.client_certificate, "certificate and key do not go together") from error
    return context


def _read(path: Path | None, variable: str) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise _unusable(variable, path, error.strerror or str(error)) from error
    if b"-----BEGIN " not in content:
        raise _unusable(variable, path, "it is no PEM file")
    return content


def _unusable(variable: str, path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{variable}: {path} cannot be used ({reason})")
