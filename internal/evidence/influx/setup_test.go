package influx_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
)

// server2 stands in for the part of InfluxDB 2.x that sets up buckets, as its documentation has it.
type server2 struct {
	mu       sync.Mutex
	buckets  []map[string]any
	mappings []map[string]any
	posts    []string
}

func (s *server2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("X-Influxdb-Version", "v2.7.12")
	if r.URL.Path == "/ping" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	if r.Header.Get("Authorization") != "Token good" {
		answer(http.StatusUnauthorized, map[string]string{"code": "unauthorized", "message": "unauthorized access"})
		return
	}
	if r.Method == http.MethodPost {
		s.posts = append(s.posts, r.URL.Path)
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	q := r.URL.Query()
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v2/orgs":
		if q.Get("org") != "city" {
			answer(http.StatusNotFound, map[string]string{"code": "not found", "message": "organization name not found"})
			return
		}
		answer(http.StatusOK, map[string]any{"orgs": []any{map[string]string{"id": "o1", "name": "city"}}})
	case "GET /api/v2/buckets":
		found := []any{}
		for _, b := range s.buckets {
			if b["name"] == q.Get("name") && b["orgID"] == q.Get("orgID") {
				found = append(found, b)
			}
		}
		answer(http.StatusOK, map[string]any{"buckets": found})
	case "POST /api/v2/buckets":
		body["id"] = "b1"
		s.buckets = append(s.buckets, body)
		answer(http.StatusCreated, body)
	case "GET /api/v2/dbrps":
		found := []any{}
		for _, m := range s.mappings {
			if m["database"] == q.Get("db") && m["orgID"] == q.Get("orgID") {
				found = append(found, m)
			}
		}
		answer(http.StatusOK, map[string]any{"content": found})
	case "POST /api/v2/dbrps":
		body["id"] = "m1"
		s.mappings = append(s.mappings, body)
		answer(http.StatusCreated, body)
	default:
		answer(http.StatusNotFound, map[string]string{"message": r.URL.Path})
	}
}

func TestEnsureBucketOn2(t *testing.T) {
	t.Parallel()
	bucket := map[string]any{"id": "b1", "name": "jishi", "orgID": "o1"}
	mapping := func(policy string) map[string]any {
		return map[string]any{"id": "m0", "orgID": "o1", "bucketID": "b1", "database": "jishi", "retention_policy": policy, "default": true, "virtual": true}
	}
	for name, test := range map[string]struct {
		server *server2
		policy string
		want   []string // what is made
	}{
		"nothing there":        {&server2{}, "", []string{"/api/v2/buckets", "/api/v2/dbrps"}},
		"bucket there":         {&server2{buckets: []map[string]any{bucket}}, "", []string{"/api/v2/dbrps"}},
		"all there":            {&server2{buckets: []map[string]any{bucket}, mappings: []map[string]any{mapping("autogen")}}, "", nil},
		"mapped another way":   {&server2{buckets: []map[string]any{bucket}, mappings: []map[string]any{mapping("autogen")}}, "years", []string{"/api/v2/dbrps"}},
		"mapped as it must be": {&server2{buckets: []map[string]any{bucket}, mappings: []map[string]any{mapping("years")}}, "years", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := httptest.NewServer(test.server)
			defer h.Close()
			o := influx.Options{URL: h.URL, Org: "city", Bucket: "jishi", Token: "good", Database: "jishi", RetentionPolicy: test.policy}
			for range 2 { // the second time there is nothing left to make
				s, err := influx.New(o)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.EnsureBucket(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.want, test.server.posts); diff != "" {
				t.Errorf("made (-want +got):\n%s", diff)
			}
			for _, b := range test.server.buckets {
				if rules, ok := b["retentionRules"].([]any); ok && len(rules) > 0 {
					t.Errorf("the bucket forgets: %v", rules)
				}
			}
		})
	}
}

func TestEnsureBucketSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := httptest.NewServer(&server2{})
	defer h.Close()
	nobody := httptest.NewServer(http.NotFoundHandler())
	defer nobody.Close()
	for name, test := range map[string]struct {
		o    influx.Options
		want string
	}{
		"token":        {influx.Options{URL: h.URL, Org: "city", Bucket: "jishi", Token: "bad"}, "unauthorized"},
		"organisation": {influx.Options{URL: h.URL, Org: "village", Bucket: "jishi", Token: "good"}, "village"},
		"address":      {influx.Options{URL: nobody.URL, Org: "city", Bucket: "jishi"}, "InfluxDB"},
	} {
		s, err := influx.New(test.o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.EnsureBucket(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
	}
}
