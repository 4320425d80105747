package mqtt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// authority is a certificate authority for one test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
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

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) issue(name string) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestClientCertificateIsTheUsername(t *testing.T) {
	a := newAuthority(t)
	b, in := captured(t, func(o *mqtt.BrokerOptions) {
		o.TLSAddr, o.TLS = "127.0.0.1:0", &tls.Config{
			Certificates: []tls.Certificate{a.issue("broker")},
			ClientAuth:   tls.VerifyClientCertIfGiven, ClientCAs: a.pool,
		}
		o.Admit = func(_ context.Context, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) {
			if l.Certificate == nil || l.Certificate.Subject.CommonName != l.ClientID {
				return nil, ""
			}
			return &mqtt.Permit{Name: l.ClientID, MayPublish: func(topic string) bool { return topic == "base/"+l.ClientID }}, ""
		}
	})
	connect := func(id string, certificates ...tls.Certificate) (*mqtt.Client, error) {
		return mqtt.Dial(t.Context(), mqtt.ClientOptions{
			URL: "ssl://" + b.TLSAddr(), ClientID: id, CleanSession: true,
			TLS: &tls.Config{RootCAs: a.pool, Certificates: certificates},
		})
	}
	c, err := connect("meter-1", a.issue("meter-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	token := c.PublishAsync("base/meter-1", 1, false, []byte("a"))
	receive(t, in, "captured message").Ack()
	closed(t, token.Done(), "token")
	if err := token.Err(); err != nil {
		t.Error(err)
	}
	if _, err := connect("meter-2", a.issue("meter-1")); !errorIs(err, mqtt.ErrRefused) {
		t.Errorf("another's certificate: got %v, want ErrRefused", err)
	}
	if _, err := connect("meter-1"); !errorIs(err, mqtt.ErrRefused) {
		t.Errorf("no certificate, no password: got %v, want ErrRefused", err)
	}
	if _, err := connect("meter-1", newAuthority(t).issue("meter-1")); err == nil {
		t.Error("a stranger's certificate: no error")
	}
}

func TestPlainClientOnTLSPortIsHungUpOn(t *testing.T) {
	a := newAuthority(t)
	b, _ := captured(t, func(o *mqtt.BrokerOptions) {
		o.TLSAddr, o.TLS = "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{a.issue("broker")}}
	})
	_, err := mqtt.Dial(t.Context(), mqtt.ClientOptions{URL: "tcp://" + b.TLSAddr(), CleanSession: true})
	if err == nil {
		t.Error("no error")
	}
}
