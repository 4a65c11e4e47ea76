"""Makes ../certificates.json: pairs by the tools that people use. Needs openssl, cfssl, cfssljson, step, go and cryptography."""

import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

import cryptography
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent
START, END = datetime.datetime(2024, 1, 1), datetime.datetime(2124, 1, 1)
HOURS = "876600h"  # between the two
ROLES = ("scheduler", "worker", "client")

V3_CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
V3_LEAF = (
    "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n"
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=DNS:localhost\n"
)


def run(*command, stdin=None, cwd=None):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=cwd)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


class Openssl:
    """A CA and a pair by the openssl command, through `openssl ca`, which can set the dates."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def key(self, *algorithm):
        return run("openssl", "genpkey", "-algorithm", *algorithm)

    def write(self, text):
        self.count += 1
        path = self.folder / f"file-{self.count}"
        path.write_text(text)
        return str(path)

    def certificate(self, name, key, extensions, by=None):
        work = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        (work / "index").touch()
        (work / "config").write_text(
            f"[req]\ndistinguished_name=names\nprompt=no\n[names]\nCN=x\n[ca]\ndefault_ca=this\n[this]\n"
            f"database={work}/index\nnew_certs_dir={work}\npolicy=any\nrand_serial=yes\n[any]\ncommonName=supplied\n"
            f"organizationName=optional\n[v3]\n{extensions}"
        )
        key_file = self.write(key)
        run(*["openssl", "req", "-new", "-key", key_file, "-subj", name, "-config", work / "config", "-out", work / "csr"])
        signer = ["-selfsign", "-keyfile", key_file] if by is None else ["-cert", self.write(by[0]), "-keyfile", self.write(by[1])]
        digest = "null" if "ED25519" in run("openssl", "pkey", "-in", signer[-1], "-noout", "-text") else "sha256"
        run(*["openssl", "ca", "-batch", "-notext", "-md", digest, "-config", work / "config", "-in", work / "csr"], *signer,
            *["-out", work / "out", "-startdate", "20240101000000Z", "-enddate", "21240101000000Z", "-extensions", "v3"])
        return (work / "out").read_text()

    def traditional(self, key):
        return run("openssl", "pkey", "-traditional", stdin=key)

    def vector(self, ident, description, leaf_key, ca_key=None, form=lambda key: key):
        ca_key = ca_key or leaf_key
        root_key, key = self.key(*ca_key), self.key(*leaf_key)
        root = self.certificate(f"/O=openssl/CN={ident}-ca", root_key, V3_CA)
        cert = self.certificate(f"/O=openssl/CN={ident}", key, V3_LEAF, (root, root_key))
        return vector(ident, description, root, {"all": (cert, form(key))})


def vector(ident, description, ca, pairs):
    return {
        "id": ident,
        "description": description,
        "ca": ca,
        "pairs": {role: {"cert": cert, "key": key} for role, (cert, key) in pairs.items()},
    }


def by_openssl(folder):
    openssl = Openssl(folder)
    rsa_2048 = ("RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    rsa_4096 = ("RSA", "-pkeyopt", "rsa_keygen_bits:4096")
    curve = lambda name: ("EC", "-pkeyopt", f"ec_paramgen_curve:{name}")
    parameters = run("openssl", "ecparam", "-name", "prime256v1")
    traditional = openssl.traditional
    return [
        openssl.vector("openssl-rsa-2048", "RSA-2048, PKCS#8 key", rsa_2048),
        openssl.vector("openssl-rsa-2048-pkcs1", "RSA-2048, PKCS#1 key", rsa_2048, form=traditional),
        openssl.vector("openssl-p256", "P-256, PKCS#8 key", curve("P-256")),
        openssl.vector("openssl-p256-sec1", "P-256, SEC 1 key behind EC PARAMETERS, as ecparam -genkey writes it",
                       curve("P-256"), form=lambda key: parameters + traditional(key)),
        openssl.vector("openssl-p384", "P-384, PKCS#8 key", curve("P-384")),
        openssl.vector("openssl-p384-sec1", "P-384, SEC 1 key", curve("P-384"), form=traditional),
        openssl.vector("openssl-ed25519", "Ed25519", ("ED25519",)),
        # Slow to make, and more than Deno can read of a certificate.
        {**openssl.vector("openssl-rsa-8192", "RSA-8192, which is refused", ("RSA", "-pkeyopt", "rsa_keygen_bits:8192")), "refused": True},
        openssl.vector("openssl-mixed", "P-256 leaf of an RSA-4096 CA", curve("P-256"), rsa_4096),
    ]


def by_cfssl(folder):
    profile = {
        "usages": ["signing", "key encipherment", "server auth", "client auth"],
        "not_before": "2024-01-01T00:00:00Z",
        "not_after": "2124-01-01T00:00:00Z",
        "expiry": HOURS,
    }
    issuing = {**profile, "usages": ["cert sign", "crl sign"], "ca_constraint": {"is_ca": True, "max_path_len": 0, "max_path_len_zero": True}}
    config = {"signing": {"default": {"expiry": HOURS}, "profiles": {"peer": profile, "issuing": issuing}}}
    (folder / "config.json").write_text(json.dumps(config))

    def cfssl(name, request, *arguments):
        (folder / f"{name}.csr.json").write_text(json.dumps(request))
        made = run("cfssl", "gencert", *arguments, f"{name}.csr.json", cwd=folder)
        run("cfssljson", "-bare", name, stdin=made, cwd=folder)

    def read(name):
        return (folder / name).read_text()

    def peer(name, key, ca):
        request = {"CN": name, "hosts": [name, "127.0.0.1"], "key": key, "names": [{"O": "acme", "OU": name}]}
        cfssl(name, request, f"-ca={ca}.pem", f"-ca-key={ca}-key.pem", "-config=config.json", "-profile=peer")

    # Years into the past: initca takes no dates.
    backdate = {"expiry": HOURS, "backdate": f"{int((datetime.datetime.now() - START).total_seconds() / 3600)}h"}
    ec_key, rsa_key = {"algo": "ecdsa", "size": 256}, {"algo": "rsa", "size": 2048}
    cfssl("ca", {"CN": "cfssl ca", "key": ec_key, "ca": backdate, "names": [{"O": "acme"}]}, "-initca")
    for role in ROLES:
        peer(role, ec_key, "ca")
    pairs = {role: (read(f"{role}.pem"), read(f"{role}-key.pem")) for role in ROLES}
    made = [vector("cfssl-ecdsa", "cfssl, a pair per role with its OU, SEC 1 keys", read("ca.pem"), pairs)]
    cfssl("root", {"CN": "cfssl root", "key": rsa_key, "ca": {**backdate, "pathlen": 1}}, "-initca")
    cfssl("middle", {"CN": "cfssl issuing", "key": rsa_key}, "-ca=root.pem", "-ca-key=root-key.pem", "-config=config.json",
          "-profile=issuing")
    peer("role", rsa_key, "middle")
    pair = (read("role.pem") + read("middle.pem"), read("role-key.pem"))
    made.append(vector("cfssl-rsa-chain", "cfssl, RSA-2048 behind an intermediate CA, PKCS#1 key", read("root.pem"), {"all": pair}))
    return made


def by_step(folder):
    dates = ["--not-before", "2024-01-01T00:00:00Z", "--not-after", "2124-01-01T00:00:00Z"]
    plain = ["--no-password", "--insecure", "--force", *dates]
    step = lambda *arguments: run("step", "certificate", "create", *arguments, *plain, cwd=folder)
    step("Acme Root", "root.crt", "root.key", "--profile", "root-ca")
    step("Acme Issuing", "middle.crt", "middle.key", "--profile", "intermediate-ca", "--ca", "root.crt", "--ca-key", "root.key")
    pairs = {}
    for role in ROLES:
        step(role, f"{role}.crt", f"{role}.key", "--ca", "middle.crt", "--ca-key", "middle.key", "--bundle")
        pairs[role] = ((folder / f"{role}.crt").read_text(), (folder / f"{role}.key").read_text())
    return [vector("step", "smallstep's step behind an intermediate CA, SEC 1 keys", (folder / "root.crt").read_text(), pairs)]


SHAPES = {
    "cert-manager-uri": "cert-manager: no subject, critical URI, no extended key usage; P-256, SEC 1 keys",
    "cert-manager-dns": "cert-manager: no subject, critical DNS names, chain in tls.crt, RSA-2048, PKCS#1 keys",
    "cert-manager-ed25519": "cert-manager: Ed25519",
    "cert-manager-self-signed": "cert-manager's SelfSigned issuer: one certificate, no CA, that signed itself",
    "step-ca": "step-ca: its own extension, behind an intermediate CA",
    "spire": "SPIRE: one subject for all, told apart by URI",
}


def by_go(folder):
    run("go", "run", str(HERE / "shapes.go"), str(folder))
    made = []
    for ident, description in SHAPES.items():
        read = lambda role, name: (folder / ident / role / name).read_text()
        found = sorted(os.listdir(folder / ident))
        pairs = {role: (read(role, "tls.crt"), read(role, "tls.key")) for role in found}
        made.append(vector(ident, description, read(found[0], "ca.crt"), pairs))
    return made


def by_python():
    def key_text(key, form):
        return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(subject, issuer, key):
        return (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(START)
            .not_valid_after(END)
        )

    def text(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    # What distributed's Security.temporary() makes (distributed/security.py), but for the dates.
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    alternative = x509.SubjectAlternativeName([x509.DNSName("dask-internal")])
    own = text(builder("dask-internal", "dask-internal", key).add_extension(alternative, critical=False).sign(key, hashes.SHA256()))
    pkcs8 = serialization.PrivateFormat.PKCS8
    made = [vector("python-temporary", "as Python's Security.temporary()", own, {"all": (own, key_text(key, pkcs8))})]
    # As its documentation teaches: a CA, and a leaf with as little as can be.
    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    root = builder("cryptography ca", "cryptography ca", root_key).add_extension(constraints, critical=True)
    leaf = builder("role", "cryptography ca", leaf_key).add_extension(x509.BasicConstraints(False, None), critical=False)
    pair = (text(leaf.sign(root_key, hashes.SHA256())), key_text(leaf_key, pkcs8))
    made.append(vector("python-cryptography", "cryptography: nothing but basic constraints", text(root.sign(root_key, hashes.SHA256())), {"all": pair}))
    return made


def module_version(program):
    """Version of a program that `go install` made, which does not know it itself."""
    lines = run("go", "version", "-m", shutil.which(program)).splitlines()
    return next(line.split()[2] for line in lines if line.split()[0] == "mod")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = lambda part: pathlib.Path(tempfile.mkdtemp(dir=name, prefix=part))
        vectors = [
            *by_openssl(folder("openssl")),
            *by_cfssl(folder("cfssl")),
            *by_step(folder("step")),
            *by_go(folder("go")),
            *by_python(),
        ]
    made_with = {
        "openssl": run("openssl", "version").split()[1],
        "cfssl": module_version("cfssl"),
        "step": module_version("step"),
        "go": run("go", "version").split()[2],
        "cryptography": cryptography.__version__,
        "python": platform.python_version(),
    }
    whole = {"schema": "certificates", "generated_with": made_with, "count": len(vectors), "vectors": vectors}
    (HERE.parent / "certificates.json").write_text(json.dumps(whole, indent=1) + "\n")


main()
