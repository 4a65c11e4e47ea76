// Makes certificates in the shapes of cert-manager, step-ca and SPIRE, which all are Go's crypto/x509 underneath.
// Run by generate.py: writes folders with ca.crt, tls.crt and tls.key below the folder that is named.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

var roles = []string{"scheduler", "worker", "client"}

// Extensions that all leaves of a CA share.
var (
	both     = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	signing  = x509.KeyUsageDigitalSignature
	agreeing = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newRSA() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) }
func newEC() crypto.Signer  { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }
func newEd() crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	chain       []byte
}

func base() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))),
		NotBefore:             time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2124, 1, 1, 0, 0, 0, 0, time.UTC),
		BasicConstraintsValid: true,
	}
}

func signed(template *x509.Certificate, key crypto.Signer, by *authority) []byte {
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	return must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))
}

// pathLen: -1 for none.
func makeCA(subject pkix.Name, key crypto.Signer, pathLen int, by *authority, uris ...string) *authority {
	template := base()
	template.Subject = subject
	template.IsCA = true
	template.KeyUsage = agreeing | x509.KeyUsageCertSign
	template.MaxPathLen, template.MaxPathLenZero = pathLen, pathLen == 0
	template.URIs = parsed(uris)
	der := signed(template, key, by)
	made := &authority{must(x509.ParseCertificate(der)), key, nil}
	if by != nil {
		made.chain = certificatePEM(der)
	}
	return made
}

func parsed(uris []string) []*url.URL {
	var all []*url.URL
	for _, uri := range uris {
		all = append(all, must(url.Parse(uri)))
	}
	return all
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// RSA as PKCS#1, EC as SEC 1, Ed25519 as PKCS#8: cert-manager's default encoding.
func keyPEM(key crypto.Signer) []byte {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	case *ecdsa.PrivateKey:
		return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(key))})
	default:
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
	}
}

func write(folder string, ca, cert, key []byte) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		panic(err)
	}
	for name, bytes := range map[string][]byte{"ca.crt": ca, "tls.crt": cert, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(folder, name), bytes, 0o600); err != nil {
			panic(err)
		}
	}
}

// A pair per role; what a leaf says is up to `shape`.
func writeRoles(folder string, root, issuer *authority, newKey func() crypto.Signer, shape func(*x509.Certificate, string)) {
	for _, role := range roles {
		template, key := base(), newKey()
		shape(template, role)
		cert := append(certificatePEM(signed(template, key, issuer)), issuer.chain...)
		write(filepath.Join(folder, role), certificatePEM(root.certificate.Raw), cert, keyPEM(key))
	}
}

func certManager(folder string) {
	// An issuer of kind CA: no subject, so that the alternative name is critical; usages without an extended one.
	root := makeCA(pkix.Name{CommonName: "cert-manager-ca"}, newEC(), -1, nil)
	writeRoles(filepath.Join(folder, "cert-manager-uri"), root, root, newEC, func(leaf *x509.Certificate, role string) {
		leaf.KeyUsage = agreeing
		leaf.URIs = parsed([]string{"spiffe://cluster.local/ns/dask/sa/" + role})
	})
	// Behind an intermediate CA, with extended usages and RSA keys.
	top := makeCA(pkix.Name{CommonName: "cert-manager-root", Organization: []string{"acme"}}, newRSA(), 1, nil)
	middle := makeCA(pkix.Name{CommonName: "cert-manager-issuing"}, newRSA(), 0, top)
	writeRoles(filepath.Join(folder, "cert-manager-dns"), top, middle, newRSA, func(leaf *x509.Certificate, role string) {
		leaf.KeyUsage, leaf.ExtKeyUsage = agreeing, both
		leaf.DNSNames = []string{"dask-" + role + ".dask.svc", "dask-" + role + ".dask.svc.cluster.local"}
	})
	// privateKey.algorithm: Ed25519.
	ed := makeCA(pkix.Name{CommonName: "cert-manager-ed25519"}, newEd(), -1, nil)
	writeRoles(filepath.Join(folder, "cert-manager-ed25519"), ed, ed, newEd, func(leaf *x509.Certificate, role string) {
		leaf.Subject = pkix.Name{CommonName: role}
		leaf.KeyUsage, leaf.ExtKeyUsage = signing, both
		leaf.DNSNames = []string{role}
	})
	// An issuer of kind SelfSigned: the one certificate is in ca.crt as well, and is no CA.
	template, key := base(), newEC()
	template.Subject = pkix.Name{CommonName: "dask"}
	template.KeyUsage, template.DNSNames = agreeing, []string{"dask"}
	cert := certificatePEM(signed(template, key, nil))
	write(filepath.Join(folder, "cert-manager-self-signed", "all"), cert, cert, keyPEM(key))
}

// An online CA of smallstep: its own extension names who asked for the certificate.
func stepCA(folder string) {
	root := makeCA(pkix.Name{CommonName: "Acme Root CA", Organization: []string{"Acme"}}, newEC(), 1, nil)
	middle := makeCA(pkix.Name{CommonName: "Acme Intermediate CA", Organization: []string{"Acme"}}, newEC(), 0, root)
	type provisioner struct {
		Type          int
		Name          []byte
		CredentialID  []byte
		KeyValuePairs []string `asn1:"optional,omitempty"`
	}
	value := must(asn1.Marshal(provisioner{1, []byte("admin"), []byte("x"), nil}))
	writeRoles(filepath.Join(folder, "step-ca"), root, middle, newEC, func(leaf *x509.Certificate, role string) {
		leaf.Subject = pkix.Name{CommonName: role}
		leaf.KeyUsage, leaf.ExtKeyUsage = signing, both
		leaf.DNSNames = []string{role}
		leaf.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 37476, 9000, 64, 1}, Value: value}}
	})
}

// SVIDs: all have one subject; only the URI tells them apart.
func spire(folder string) {
	name := pkix.Name{Country: []string{"US"}, Organization: []string{"SPIFFE"}}
	root := makeCA(name, newEC(), -1, nil, "spiffe://example.org")
	writeRoles(filepath.Join(folder, "spire"), root, root, newEC, func(leaf *x509.Certificate, role string) {
		leaf.Subject = pkix.Name{Country: []string{"US"}, Organization: []string{"SPIRE"}}
		leaf.KeyUsage, leaf.ExtKeyUsage = agreeing|x509.KeyUsageKeyAgreement, both
		leaf.URIs = parsed([]string{"spiffe://example.org/dask/" + role})
	})
}

func main() {
	folder := os.Args[1]
	certManager(folder)
	stepCA(folder)
	spire(folder)
}
