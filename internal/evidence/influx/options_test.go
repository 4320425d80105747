package influx_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
)

func TestOptionsNameTheirMistakes(t *testing.T) {
	t.Parallel()
	good := influx.Options{URL: "http://influx:8086", Bucket: "jishi", Token: "s3cret"}
	for name, test := range map[string]struct {
		change func(*influx.Options)
		want   []string // in the error; none: no error
	}{
		"good":          {func(*influx.Options) {}, nil},
		"1.8":           {func(o *influx.Options) { o.Bucket = "db/rp" }, nil},
		"no URL":        {func(o *influx.Options) { o.URL = "" }, []string{"URL is empty"}},
		"no scheme":     {func(o *influx.Options) { o.URL = "influx:8086" }, []string{"URL"}},
		"credentials":   {func(o *influx.Options) { o.URL = "http://u:s3cret@influx" }, []string{"token"}},
		"query":         {func(o *influx.Options) { o.URL = "http://influx/?db=x" }, []string{"query"}},
		"no bucket":     {func(o *influx.Options) { o.Bucket = "/autogen" }, []string{"bucket"}},
		"timeout":       {func(o *influx.Options) { o.WriteTimeout = -1 }, []string{"write timeout"}},
		"compression":   {func(o *influx.Options) { o.Compression = 9 }, []string{"compression"}},
		"several wrong": {func(o *influx.Options) { o.URL, o.Bucket = "", "" }, []string{"URL", "bucket"}},
	} {
		o := good
		test.change(&o)
		_, err := influx.New(o)
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q lacks %q", name, err, part)
			}
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", good, good, good); strings.Contains(text, "s3cret") {
		t.Errorf("printed options show the secret: %s", text)
	}
}
