package credential_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

// authority is a certificate authority for one test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate and its key as PEM.
func (a *authority) issue(name string) (cert, key []byte) {
	a.t.Helper()
	own := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, own.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func (a *authority) client(name string) tls.Certificate {
	a.t.Helper()
	pair, err := tls.X509KeyPair(a.issue(name))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

// servingFiles are the files of a listener.
type servingFiles struct {
	a   *authority
	dir string
}

func newServingFiles(t *testing.T, a *authority) servingFiles {
	t.Helper()
	s := servingFiles{a: a, dir: t.TempDir()}
	s.write("broker")
	s.put("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
	return s
}

func (s servingFiles) path(name string) string { return filepath.Join(s.dir, name) }

func (s servingFiles) put(name string, text []byte) {
	s.a.t.Helper()
	if err := os.WriteFile(s.path(name), text, 0o600); err != nil {
		s.a.t.Fatal(err)
	}
}

func (s servingFiles) write(name string) {
	cert, key := s.a.issue(name)
	s.put("cert.pem", cert)
	s.put("key.pem", key)
}

func (s servingFiles) options() credential.ServingOptions {
	return credential.ServingOptions{Cert: s.path("cert.pem"), Key: s.path("key.pem"), ClientCA: s.path("ca.pem")}
}

// shake makes a handshake with what is served and returns the server's name, and the client's that it knows.
func shake(t *testing.T, serving *credential.Serving, client *tls.Config) (server, known string, err error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", serving.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	names := make(chan string, 1)
	go func() {
		defer close(names)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		conn, _ := c.(*tls.Conn)
		if err := conn.Handshake(); err != nil {
			return
		}
		for _, chain := range conn.ConnectionState().VerifiedChains {
			names <- chain[0].Subject.CommonName
			return
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err != nil && !strings.Contains(err.Error(), "EOF") {
		return "", "", err // in TLS 1.3 the server's refusal comes after the handshake
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, <-names, nil
}

func TestServing(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	files := newServingFiles(t, a)
	s, err := credential.OpenServing(files.options())
	if err != nil {
		t.Fatal(err)
	}
	trusting := &tls.Config{RootCAs: a.pool}
	if server, known, err := shake(t, s, trusting); err != nil || server != "broker" || known != "" {
		t.Errorf("without a certificate: %q, %q, %v", server, known, err)
	}
	if _, known, err := shake(t, s, &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{a.client("plug")}}); err != nil || known != "plug" {
		t.Errorf("with a certificate: %q, %v", known, err)
	}
	if _, _, err := shake(t, s, &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{newAuthority(t).client("plug")}}); err == nil {
		t.Error("a stranger's certificate is taken")
	}
	if _, _, err := shake(t, s, &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if server, _, err := shake(t, s, &tls.Config{RootCAs: a.pool, MaxVersion: tls.VersionTLS12}); err != nil || server != "broker" {
		t.Errorf("TLS 1.2: %q, %v", server, err)
	}

	if changed, err := s.Reload(); changed || err != nil {
		t.Errorf("nothing changed: got %v, %v", changed, err)
	}
	files.write("broker-2")
	if changed, err := s.Reload(); !changed || err != nil {
		t.Errorf("a new certificate: got %v, %v", changed, err)
	}
	_, foreign := a.issue("other")
	files.put("key.pem", foreign)
	if changed, err := s.Reload(); changed || err == nil || s.Problem() == nil {
		t.Errorf("a key of another certificate: got %v, %v", changed, err)
	}
	if server, _, err := shake(t, s, trusting); err != nil || server != "broker-2" || time.Until(s.NotAfter()) < time.Minute {
		t.Errorf("after the mistake: %q until %v, %v", server, s.NotAfter(), err)
	}
}

func TestServingRequiresCertificates(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	o := newServingFiles(t, a).options()
	o.RequireClient = true
	s, err := credential.OpenServing(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := shake(t, s, &tls.Config{RootCAs: a.pool}); err == nil {
		t.Error("a client without a certificate gets in")
	}
	o.ClientCA = ""
	if _, err := credential.OpenServing(o); err == nil || !strings.Contains(err.Error(), "ClientCA") {
		t.Errorf("nobody to verify them: got %v", err)
	}
}

func TestOpenServingSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	files := newServingFiles(t, newAuthority(t))
	files.put("empty.pem", nil)
	for want, change := range map[string]func(*credential.ServingOptions){
		"Cert or Key":    func(o *credential.ServingOptions) { o.Key = "" },
		"no such file":   func(o *credential.ServingOptions) { o.Cert = files.path("nowhere") },
		"empty.pem":      func(o *credential.ServingOptions) { o.Cert = files.path("empty.pem") },
		"no certificate": func(o *credential.ServingOptions) { o.ClientCA = files.path("empty.pem") },
	} {
		o := files.options()
		change(&o)
		if _, err := credential.OpenServing(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
