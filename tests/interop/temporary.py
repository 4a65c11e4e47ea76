"""Writes the pair of Python's Security.temporary() into a folder."""

import pathlib
import sys

from distributed.security import Security

security = Security.temporary()
folder = pathlib.Path(sys.argv[1])
(folder / "ca.pem").write_text(security.tls_ca_file)
(folder / "cert.pem").write_text(security.tls_client_cert)
(folder / "key.pem").write_text(security.tls_client_key)
