"""Debian's PostgreSQL, which can speak TLS (the bundled one cannot), and its certificates."""

import os
import pwd
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hookline.local.process import TETHER, Child
from hookline.local.servers.postgres import OWNER, Postgres
from runtime.process.private_files import write_private

_ACCOUNT = "nobody"
_HBA = """
hostssl all all 127.0.0.1/32 scram-sha-256
hostnossl all all 127.0.0.1/32 reject
"""


def binaries() -> Path:
    """The newest of Debian's PostgreSQL; skips the test where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    if not found:
        pytest.skip("no PostgreSQL with TLS here: apt-get install postgresql brings one")
    return found[-1].parent


def _version(path: Path) -> int:
    return int(path.parts[-3])


def authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Make a certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    return key, builder.sign(key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as it is written to a file."""
    return certificate.public_bytes(serialization.Encoding.PEM)


class TlsPostgres(Postgres):
    """A server that takes no connection but over TLS; its certificate is of ``localhost`` alone.

    ``ca``: the file with the authority that signed it; ``other_ca``: with one that did not.
    """

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def other_ca(self) -> Path:
        return self.directory / "other-ca.crt"

    def over_tls(self, url: str, *, host: str = "localhost", ca: Path | None = None) -> str:
        """Return a URL that verifies the server's certificate and name."""
        url = url.replace("@127.0.0.1:", f"@{host}:")
        return f"{url}?sslmode=verify-full&sslrootcert={ca or self.ca}"

    def prepare(self) -> Child:
        programs, data = binaries(), self.directory / "data"
        self.directory.mkdir(parents=True, exist_ok=True)
        _own(self.directory)
        if not data.exists():
            self._create(programs, data)
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(self.port),
            "ssl": "on",
            "ssl_cert_file": str(self.directory / "server.crt"),
            "ssl_key_file": str(self.directory / "server.key"),
            "shared_buffers": "16MB",
        }
        command = [str(programs / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return Child(
            self.name, command, self.log, directory=self.directory, environment={"LC_ALL": "C"},
            stop_signal=signal.SIGINT, death_signal=signal.SIGQUIT, user=_ACCOUNT,
        )  # fmt: skip

    def _create(self, programs: Path, data: Path) -> None:
        data.mkdir(mode=0o700)
        _own(data)
        password = self.directory / "password.new"
        write_private(password, self._passwords()[OWNER])
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", OWNER, "-E", "UTF8"]
        tether = [sys.executable, "-I", "-S", str(TETHER), str(int(signal.SIGKILL))]
        subprocess.run(
            [*tether, str(os.getpid()), _ACCOUNT, *initdb, "--locale=C", f"--pwfile={password}"],
            check=True, capture_output=True, timeout=120, env={"LC_ALL": "C"},
        )  # fmt: skip
        (data / "pg_hba.conf").write_text(_HBA)
        self._certify()

    def _certify(self) -> None:
        ca_key, ca = authority("Hookline's tests")
        self.ca.write_bytes(pem(ca))
        self.other_ca.write_bytes(pem(authority("somebody else")[1]))
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        certificate = (
            _builder(name, ca.subject, key)
            .add_extension(names, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        (self.directory / "server.crt").write_bytes(pem(certificate))
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_private(self.directory / "server.key", private.decode())
        _own(self.directory / "server.key")


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(_ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid)
