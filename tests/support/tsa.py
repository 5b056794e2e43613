"""A time-stamping authority (RFC 3161): openssl's own answers, behind HTTP."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.http_server import serving

CONFIGURATION = """
[tsa]
default_tsa = ours
[ours]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class TimeStampAuthority:
    """Stamps whatever it is asked to.

    Args:
        folder: where its files go.
        purpose: what its certificate is for.

    Attributes:
        ca: the certificate to trust.
        answer: what is answered instead of a stamp, as status, content type and body; ``None`` is honest.
        asked: the requests that came.
    """

    def __init__(self, folder: Path, *, purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.TIME_STAMPING) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._numbers = itertools.count()
        self.answer: tuple[int, str, bytes] | None = None
        self.asked: list[bytes] = []
        root, leaf = (rsa.generate_private_key(65537, 2048) for _ in range(2))
        name = _name("test root")
        self.ca = folder / "ca.pem"
        signed = (
            _builder(name, name, root.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(root, hashes.SHA256())
        )
        self.ca.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        signed = (
            _builder(_name("test authority"), name, leaf.public_key())
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
            .sign(root, hashes.SHA256())
        )
        (folder / "tsa.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        (folder / "tsa.key").write_bytes(leaf.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))

    def stamp(self, request: bytes) -> bytes:
        """What openssl answers."""
        number = next(self._numbers)
        query, reply = self._folder / f"{number}.tsq", self._folder / f"{number}.tsr"
        query.write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", str(self._folder / "tsa.cnf"), "-queryfile", str(query), "-out", str(reply)]
        subprocess.run(command, check=True, capture_output=True)
        return reply.read_bytes()

    async def _reply(self, request: Request) -> Response:
        body = await request.body()
        assert request.headers["content-type"] == "application/timestamp-query"
        self.asked.append(body)
        if self.answer is not None:
            status, kind, content = self.answer
            return Response(content, status, media_type=kind)
        return Response(await asyncio.to_thread(self.stamp, body), media_type="application/timestamp-reply")

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        """Serve until the block ends; yields the address."""
        async with serving(Starlette(routes=[Route("/tsr", self._reply, methods=["POST"])])) as address:
            yield f"{address}/tsr"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"camunda-workers {text}")])


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return (
        made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    )
