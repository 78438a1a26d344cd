"""Where clients publish what they say about themselves: an HTTPS server, and the authority that signs certificates."""

from __future__ import annotations

import datetime as dt
import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

# A name that can be nobody's (RFC 2606 section 2).
HOST = "client.test"


class Authority:
    """Signs certificates; its own is in the file `certificate`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "authority.pem"
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority of the tests")])
        self._key = ec.generate_private_key(ec.SECP256R1())
        itself = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate.write_bytes(self._signed(self._name, self._key.public_key(), itself))

    def context_for(self, host: str) -> ssl.SSLContext:
        """What a server of that name needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(x509.Name([]), key.public_key(), x509.SubjectAlternativeName([x509.DNSName(host)]))
        file = self.folder / f"{host}.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(self, name: x509.Name, key: ec.EllipticCurvePublicKey, about: x509.ExtensionType) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=name,
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(hours=1),
            not_valid_after=now + dt.timedelta(days=1),
        )
        return builder.add_extension(about, critical=True).sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


class DocumentServer(ThreadingHTTPServer):
    """Publishes documents by HTTPS on a free port of 127.0.0.1, until the `with` ends.

    asked: the paths that somebody asked for.
    """

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, host: str = HOST) -> None:
        super().__init__(("127.0.0.1", 0), _Publish)
        self.host = host
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.documents: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def publish(self, path: str, **about: Any) -> str:
        """The id of the client that is described so."""
        client_id = f"https://{self.host}:{self.server_port}{path}"
        self.documents[path] = {"client_id": client_id} | about
        return client_id

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Publish(BaseHTTPRequestHandler):
    server: DocumentServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        document = self.server.documents.get(self.path)
        self.send_response(404 if document is None else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *args: Any) -> None: ...
