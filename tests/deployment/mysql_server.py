"""A server that asks for ``caching_sha2_password`` as MySQL 8.4 does, which MariaDB cannot do; it knows one user.

It checks what a client proves, and after the login says OK to every command.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets.html
"""

import hashlib
import hmac
import os
import socket
import ssl
import struct
import threading
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PLUGIN = b"caching_sha2_password"
USER, PASSWORD = "api", "correct horse: battery/staple@"
_LONG_PASSWORD, _PROTOCOL_41, _CONNECT_WITH_DB, _TLS, _TRANSACTIONS = 0x1, 0x200, 0x8, 0x800, 0x2000
_SECURE_CONNECTION, _PLUGIN_AUTH, _LENENC_AUTH = 0x8000, 0x80000, 0x200000
_CAPABILITIES = (
    _LONG_PASSWORD | _PROTOCOL_41 | _CONNECT_WITH_DB | _TRANSACTIONS | _SECURE_CONNECTION | _PLUGIN_AUTH | _LENENC_AUTH
)
_OK = b"\x00\x00\x00\x02\x00\x00\x00"
_FAST_ENOUGH, _TELL_ME_ALL, _PUBLIC_KEY_PLEASE = b"\x01\x03", b"\x01\x04", b"\x02"


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


class Refused(Exception):
    """The login failed."""


class Server:
    """Listens on loopback between ``with`` and its end; ``logins`` tells how each login was proved.

    ``knows_hash``: whether it has the user's hash in its cache, so that the fast path is enough. ``tls`` has its
    certificate; without it the password comes encrypted by the server's RSA key.
    """

    def __init__(self, *, knows_hash: bool, tls: ssl.SSLContext | None = None) -> None:
        self._hash = _sha256(_sha256(PASSWORD.encode())) if knows_hash else None
        self._tls = tls
        self._key = rsa.generate_private_key(65537, 2048)
        self.logins: list[str] = []

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(20)
            session = _Session(connection, self)
            try:
                session.run()
            except (OSError, EOFError):
                self.logins.append("broken off")
            finally:
                session.close()


class _Session:
    def __init__(self, connection: socket.socket, server: Server) -> None:
        self._connection, self._server = connection, server
        self._nonce = bytes(byte % 127 + 1 for byte in os.urandom(20))
        self._sequence = 0

    def run(self) -> None:
        try:
            how = self._log_in()
        except Refused:
            self._server.logins.append("refused")
            message = f"Access denied for user '{USER}'@'127.0.0.1' (using password: YES)"
            self._send(b"\xff" + struct.pack("<H", 1045) + b"#28000" + message.encode())
            return
        self._server.logins.append(how)
        self._send(_OK)
        while True:
            self._sequence = 0
            if self._receive()[:1] == b"\x01":  # COM_QUIT
                return
            self._send(_OK)

    def close(self) -> None:
        self._connection.close()

    def _log_in(self) -> str:
        capabilities = _CAPABILITIES | (_TLS if self._server._tls else 0)
        self._send(
            b"\x0a8.4.6\x00" + struct.pack("<I", 7) + self._nonce[:8] + b"\x00"
            + struct.pack("<HBHH", capabilities & 0xFFFF, 255, 2, capabilities >> 16)
            + bytes([21]) + bytes(10) + self._nonce[8:] + b"\x00" + PLUGIN + b"\x00"
        )  # fmt: skip
        answer = self._receive()
        if self._server._tls and struct.unpack("<I", answer[:4])[0] & _TLS:
            self._connection = self._server._tls.wrap_socket(self._connection, server_side=True)
            answer = self._receive()
        user, proof, plugin = _parse(answer)
        if plugin != PLUGIN:
            self._send(b"\xfe" + PLUGIN + b"\x00" + self._nonce + b"\x00")
            proof = self._receive()
        if user == USER and self._fast(proof):
            self._send(_FAST_ENOUGH)
            return "fast"
        self._send(_TELL_ME_ALL)
        password, how = self._ask_for_password()
        if user != USER or not hmac.compare_digest(password, PASSWORD.encode() + b"\x00"):
            raise Refused
        return how

    def _fast(self, proof: bytes) -> bool:
        """The proof is SHA256(password) XOR SHA256(hash + nonce); the server knows the hash, and not the password."""
        known = self._server._hash
        if known is None or len(proof) != 32:
            return False
        return hmac.compare_digest(_sha256(_xor(proof, _sha256(known + self._nonce))), known)

    def _ask_for_password(self) -> tuple[bytes, str]:
        answer = self._receive()
        if isinstance(self._connection, ssl.SSLSocket):
            return answer, "full, over TLS"
        if answer != _PUBLIC_KEY_PLEASE:
            raise Refused  # a password that anybody could read
        form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        self._send(b"\x01" + self._server._key.public_key().public_bytes(*form))
        oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
        scrambled = self._server._key.decrypt(self._receive(), oaep)
        return _xor(scrambled, self._nonce * len(scrambled)), "full, by RSA"

    def _send(self, body: bytes) -> None:
        self._connection.sendall(struct.pack("<I", len(body))[:3] + bytes([self._sequence % 256]) + body)
        self._sequence += 1

    def _receive(self) -> bytes:
        head = self._exactly(4)
        self._sequence = head[3] + 1
        return self._exactly(int.from_bytes(head[:3], "little"))

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            more = self._connection.recv(length - len(found))
            if not more:
                raise EOFError
            found += more
        return found


def _parse(answer: bytes) -> tuple[str, bytes, bytes]:
    """User, proof and plugin of a handshake response; the proof's length is one byte (it is shorter than 251)."""
    capabilities = struct.unpack("<I", answer[:4])[0]
    user, _, rest = answer[32:].partition(b"\x00")
    proof, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
    if capabilities & _CONNECT_WITH_DB:
        rest = rest.partition(b"\x00")[2]
    return user.decode(), proof, rest.partition(b"\x00")[0]
