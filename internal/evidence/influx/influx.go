// Package influx is the evidence store of a city: a bucket of InfluxDB 2.x, or a database of 1.8. It alone knows line
// protocol, InfluxQL and Flux; docs/evidence.md says what stands in the bucket, for people who read it with their own
// tools. It refuses the client library's asynchronous writer, which drops what it cannot write: bytes are encoded here,
// sent through the library's HTTP service, and every answer is looked at.
//
// Writes go to /api/v2/write and reads through InfluxQL at /query: the pair that 1.8, 2.x and 3 all serve.
package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// Options says where the bucket is. URL and Bucket are required.
type Options struct {
	// URL is the server's address, such as "https://influx.city.example:8086", without credentials.
	URL string
	// Org is the organisation's name in InfluxDB 2.x; 1.8 has none and ignores it.
	Org string
	// Bucket is a bucket of 2.x, such as "jishi", or "database/retention-policy" of 1.8, such as "jishi/autogen".
	Bucket string
	// Token is an API token of 2.x, or "user:password" of 1.8; empty when the server asks for none.
	Token obs.Secret
	// Database and RetentionPolicy are the names that InfluxQL knows the bucket by. Empty: the two parts of the bucket's
	// name, which is what 2.x maps by itself.
	Database, RetentionPolicy string
	// WriteTimeout bounds one request to write, 30 s when zero. Reads are bounded by their context alone.
	WriteTimeout time.Duration
	// Compression of what is written and, unless Transport is set, of answers; the zero value decides by the address.
	Compression Compression
	// Transport carries the requests; nil is a transport of the store's own.
	Transport http.RoundTripper
	// Registerer takes the metrics; nil is fine.
	Registerer prometheus.Registerer
}

// Compression says whether writes are compressed with gzip.
type Compression uint8

// The compressions.
const (
	// CompressRemote compresses unless the server is on this machine, where it costs both sides more than it saves.
	CompressRemote Compression = iota
	// CompressAlways compresses every write.
	CompressAlways
	// CompressNever compresses none.
	CompressNever
)

const defaultWriteTimeout = 30 * time.Second

// validate fills in what is derived and names every field that is wrong.
func (o *Options) validate() error {
	var errs []error
	u, err := url.Parse(o.URL)
	switch {
	case o.URL == "":
		errs = append(errs, errors.New("URL is empty: want http://host:8086 or https://host:8086"))
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		errs = append(errs, errors.New("URL is not an address: want http://host:8086 or https://host:8086"))
	case u.User != nil:
		errs = append(errs, errors.New("URL holds credentials: put them into the token, as user:password for InfluxDB 1.8"))
	case u.RawQuery != "" || u.Fragment != "":
		errs = append(errs, fmt.Errorf("URL %s has a query: want the bare address", o.URL))
	}
	database, policy, _ := strings.Cut(o.Bucket, "/")
	if database == "" {
		errs = append(errs, fmt.Errorf("bucket %q has no name: want a bucket, or database/retention-policy for InfluxDB 1.8", o.Bucket))
	}
	if o.WriteTimeout < 0 {
		errs = append(errs, fmt.Errorf("write timeout %s is negative", o.WriteTimeout))
	}
	if o.Compression > CompressNever {
		errs = append(errs, fmt.Errorf("compression %d is none that is known", o.Compression))
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = defaultWriteTimeout
	}
	if o.Database == "" {
		o.Database = database
		if o.RetentionPolicy == "" {
			o.RetentionPolicy = policy
		}
	}
	return errors.Join(errs...)
}

// Store is an evidence.Store in a bucket. All methods may be called concurrently.
//
// InfluxDB keeps the last point written for a series and instant and cannot compare, so of two samples of one identity
// in two calls the later written stays: frames of one bridge are to be written in the order of its log, which is how
// bridges send them. Within a call the store sees to it. Two taps of one instant and channel collapse into one with a
// chance of one in a million, that of their digests' six digits.
type Store struct {
	o      Options
	http   influxhttp.Service
	client influxdb2.Client
	own    *http.Transport // nil when the caller brought one
	gzip   bool
	m      *metrics
	closed atomic.Bool
}

var _ evidence.Store = (*Store)(nil)

// New returns a store. It does not touch the network: Ping and EnsureBucket do. Close it when done.
func New(o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("influx options: %w", err)
	}
	s := &Store{o: o, m: newMetrics(o.Registerer)}
	s.gzip = o.Compression == CompressAlways || o.Compression == CompressRemote && !loopback(o.URL)
	transport := o.Transport
	if transport == nil {
		s.own = http.DefaultTransport.(*http.Transport).Clone()
		s.own.MaxIdleConnsPerHost = 32
		s.own.DisableCompression = !s.gzip // of answers
		transport = s.own
	}
	// No timeout on the client: a year is streamed for as long as its reader takes. Writes have their own.
	options := influxdb2.DefaultOptions().SetHTTPClient(&http.Client{Transport: transport}).SetApplicationName("jishi")
	s.client = influxdb2.NewClientWithOptions(o.URL, o.Token.Reveal(), options)
	s.http = s.client.HTTPService()
	return s, nil
}

func loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// Ping implements evidence.Store: it asks the bucket a question, so that a wrong token or a missing bucket shows.
func (s *Store) Ping(ctx context.Context) error {
	return s.view("ping InfluxDB", func() error {
		a, err := s.ask(ctx, `SELECT "seq" FROM "link" WHERE time > now() - 1s LIMIT 1`)
		if err != nil {
			return err
		}
		defer a.close()
		for {
			if ok, err := a.next(); err != nil || !ok {
				return err
			}
		}
	})
}

// Close implements evidence.Store. Calls under way end with their answers.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.client.Close()
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
	return nil
}

// view runs a reading and names it in its error.
func (s *Store) view(verb string, step func() error) error {
	if s.closed.Load() {
		return evidence.ErrClosed
	}
	err := step()
	var foreign yieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &foreign):
		return foreign.error // the caller's own, as it gave it
	default:
		return fmt.Errorf("%s: %w", verb, err)
	}
}

// yieldError carries an error of the caller's yield through the layers unchanged.
type yieldError struct{ error }

// guard marks yield's errors as the caller's.
func guard(yield func(*evidence.Entry) error) func(*evidence.Entry) error {
	return func(e *evidence.Entry) error {
		if err := yield(e); err != nil {
			return yieldError{err}
		}
		return nil
	}
}
