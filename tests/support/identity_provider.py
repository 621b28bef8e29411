"""An identity provider for tests: a real HTTP server with a JWKS, and JSON web tokens."""

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.certificates import Files

ISSUER = "https://login.example"
AUDIENCE = "barkserve"


class IdentityProvider:
    """Signs tokens. Its JWKS is served at `url` inside `serving`."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.document: dict[str, Any] = {"keys": []}
        self.fetches = 0
        self.url = ""
        self.rotate("first")

    def rotate(self, key_id: str, algorithm: str = "ES256") -> None:
        """Publish one new key instead of the old ones."""
        if algorithm.startswith("RS"):
            key: Any = rsa.generate_private_key(65537, 2048)
            public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
            public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self.keys[key_id] = (key, algorithm)
        self.document = {"keys": [{**public, "kid": key_id, "use": "sig", "alg": algorithm}]}

    def token(self, key_id: str = "first", **claims: Any) -> str:
        """A token that speaks; claims that are None are left out."""
        key, algorithm = self.keys[key_id]
        default = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "bot",
            "exp": int(time.time()) + 600,
            "scope": "openid barkserve:speak",
        }
        payload = {name: value for name, value in (default | claims).items() if value is not None}
        return jwt.encode(payload, key, algorithm, headers={"kid": key_id})

    @contextmanager
    def serving(self, files: Files | None = None) -> Iterator[None]:
        """Serve the JWKS, over TLS with these files or else in plaintext."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                body = json.dumps(provider.document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            if files is not None:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(files.certificate, files.key)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            Thread(target=server.serve_forever, daemon=True).start()
            scheme = "http" if files is None else "https"
            self.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/jwks"
            yield
            server.shutdown()
