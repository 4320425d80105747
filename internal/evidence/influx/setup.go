package influx

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/influxdata/influxdb-client-go/v2/domain"

	"github.com/jishi-telemetry/jishi/internal/evidence"
)

// EnsureBucket makes the bucket when it is not there: the database and retention policy of InfluxDB 1.8, the bucket of
// 2.x and, where the server does not map it by itself, its name for InfluxQL. What it makes keeps its data for ever. It
// needs a token that may do so; the service itself gets by with one that reads and writes the bucket.
func (s *Store) EnsureBucket(ctx context.Context) error {
	return s.view("make bucket", func() error {
		version, err := s.version(ctx)
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(version, "2."):
			return s.ensureBucket2(ctx)
		case strings.HasPrefix(version, "3."):
			return nil // makes a database when it is first written to
		}
		return s.ensureDatabase(ctx) // 1.x; one that was built from its module calls itself unknown
	})
}

// version asks the server for its version, such as "1.8.10", "2.7.12" or "unknown".
func (s *Store) version(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.o.URL, "/")+"/ping", http.NoBody)
	if err != nil {
		return "", fmt.Errorf("ask for the version: %w", err)
	}
	res, err := s.http.DoHTTPRequestWithResponse(req, nil)
	if err != nil {
		return "", fmt.Errorf("ask for the version: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	version := strings.TrimPrefix(res.Header.Get("X-Influxdb-Version"), "v")
	if version == "" {
		return "", fmt.Errorf("%s says no version (%s): is the URL an InfluxDB's? %w", s.o.URL, res.Status, evidence.ErrPermanent)
	}
	return version, nil
}

// ensureDatabase sets up InfluxDB 1.8, whose statements do nothing when there is nothing to do.
func (s *Store) ensureDatabase(ctx context.Context) error {
	statements := []string{"CREATE DATABASE " + identifier(s.o.Database)}
	if s.o.RetentionPolicy != "" && s.o.RetentionPolicy != "autogen" {
		statements = append(statements, "CREATE RETENTION POLICY "+identifier(s.o.RetentionPolicy)+" ON "+
			identifier(s.o.Database)+" DURATION INF REPLICATION 1")
	}
	for _, statement := range statements {
		if err := s.execute(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// identifier quotes a name for InfluxQL.
func identifier(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name) + `"`
}

// ensureBucket2 sets up InfluxDB 2.x. It was written from its documentation and runs against a stand-in in the tests.
func (s *Store) ensureBucket2(ctx context.Context) error {
	org, err := s.client.OrganizationsAPI().FindOrganizationByName(ctx, s.o.Org)
	if err != nil {
		return fmt.Errorf("find organisation %q: %w", s.o.Org, err)
	}
	if org.Id == nil {
		return fmt.Errorf("find organisation %q: the server names no id", s.o.Org)
	}
	bucket, err := s.findBucket(ctx, *org.Id)
	if err != nil {
		return err
	}
	if bucket == nil {
		// No retention rule: evidence is kept until a person decides otherwise.
		if bucket, err = s.client.BucketsAPI().CreateBucketWithNameWithID(ctx, *org.Id, s.o.Bucket); err != nil {
			return fmt.Errorf("make bucket %q: %w", s.o.Bucket, err)
		}
	}
	return s.ensureMapping(ctx, *org.Id, bucket)
}

func (s *Store) findBucket(ctx context.Context, orgID string) (*domain.Bucket, error) {
	found, err := s.client.APIClient().GetBuckets(ctx, &domain.GetBucketsParams{Name: &s.o.Bucket, OrgID: &orgID})
	if err != nil {
		if strings.Contains(err.Error(), "not found") {
			return nil, nil //nolint:nilnil // there is none, and that is no error here
		}
		return nil, fmt.Errorf("find bucket %q: %w", s.o.Bucket, err)
	}
	if found.Buckets == nil || len(*found.Buckets) == 0 {
		return nil, nil //nolint:nilnil // likewise
	}
	return &(*found.Buckets)[0], nil
}

// ensureMapping makes the bucket's name for InfluxQL where there is none, real or virtual.
func (s *Store) ensureMapping(ctx context.Context, orgID string, bucket *domain.Bucket) error {
	if bucket.Id == nil {
		return fmt.Errorf("bucket %q has no id", s.o.Bucket)
	}
	api := s.client.APIClient()
	mapped, err := api.GetDBRPs(ctx, &domain.GetDBRPsParams{OrgID: &orgID, Db: &s.o.Database})
	if err != nil {
		return fmt.Errorf("find the InfluxQL name of bucket %q: %w", s.o.Bucket, err)
	}
	if mapped.Content != nil {
		for _, m := range *mapped.Content {
			if m.BucketID == *bucket.Id && (s.o.RetentionPolicy == "" || m.RetentionPolicy == s.o.RetentionPolicy) {
				return nil
			}
		}
	}
	policy := s.o.RetentionPolicy
	if policy == "" {
		policy = "autogen"
	}
	isDefault := true
	_, err = api.PostDBRP(ctx, &domain.PostDBRPAllParams{Body: domain.PostDBRPJSONRequestBody{
		OrgID: &orgID, BucketID: *bucket.Id, Database: s.o.Database, RetentionPolicy: policy, Default: &isDefault,
	}})
	if err != nil {
		return fmt.Errorf("give bucket %q the InfluxQL name %s/%s: %w", s.o.Bucket, s.o.Database, policy, err)
	}
	return nil
}
