package credential

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ServingOptions name the files of a TLS listener.
type ServingOptions struct {
	// Cert and Key are the broker's certificate with its chain, and its key, in PEM. Required.
	Cert, Key string
	// ClientCA holds the authorities of client certificates in PEM; "" asks for none.
	ClientCA string
	// RequireClient refuses clients without a certificate. It needs ClientCA.
	RequireClient bool
}

// Serving is the TLS side of a broker: it follows its files, so that certificates can be exchanged while it runs. Its
// methods may be called concurrently.
type Serving struct {
	o       ServingOptions
	current atomic.Pointer[tls.Config]

	mu       sync.Mutex // guards what follows, and changes of current
	files    [3][]byte  // cert, key, client CA as they are in use
	notAfter time.Time
	problem  error
}

// OpenServing reads the files.
func OpenServing(o ServingOptions) (*Serving, error) {
	switch {
	case o.Cert == "" || o.Key == "":
		return nil, errors.New("serving option Cert or Key is missing: TLS needs both")
	case o.RequireClient && o.ClientCA == "":
		return nil, errors.New("serving option RequireClient needs ClientCA")
	}
	s := &Serving{o: o}
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Config is the configuration for a listener. It is TLS 1.2 or later, and each handshake uses the files as they were read
// last.
func (s *Serving) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current.Load(), nil },
	}
}

// NotAfter is when the broker's certificate ends.
func (s *Serving) NotAfter() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notAfter
}

// Problem returns what is wrong with the files as they are now, nil when nothing is.
func (s *Serving) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// Reload reads the files and reports whether others are in use now. With an error those before stay.
func (s *Serving) Reload() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed, err = s.reloadLocked()
	s.problem = err
	return changed, err
}

func (s *Serving) reloadLocked() (bool, error) {
	var files [3][]byte
	for i, path := range []string{s.o.Cert, s.o.Key, s.o.ClientCA} {
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return false, fmt.Errorf("read certificate files: %w", err)
		}
		files[i] = text
	}
	if s.current.Load() != nil && bytes.Equal(files[0], s.files[0]) && bytes.Equal(files[1], s.files[1]) && bytes.Equal(files[2], s.files[2]) {
		return false, nil
	}
	config, err := s.build(files)
	if err != nil {
		return false, err
	}
	s.files, s.notAfter = files, config.Certificates[0].Leaf.NotAfter
	s.current.Store(config)
	return true, nil
}

func (s *Serving) build(files [3][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(files[0], files[1])
	if err != nil {
		return nil, fmt.Errorf("read %s and %s: %w", s.o.Cert, s.o.Key, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("read %s: %w", s.o.Cert, err)
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if s.o.ClientCA == "" {
		return config, nil
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(files[2]) {
		return nil, fmt.Errorf("read %s: no certificate in it", s.o.ClientCA)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	if s.o.RequireClient {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	// A session that is resumed is not verified anew, and the authorities may have changed since.
	config.SessionTicketsDisabled = true
	return config, nil
}
