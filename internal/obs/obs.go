// Package obs sets up what an operator sees of a process: its log, its metrics registry and its build. It is for cmd and
// for configuration, which holds its passwords as Secret. It refuses to be global: it sets no default logger and no
// default registry, and it serves no HTTP.
package obs

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewLogger returns a logger that writes to w, one line per record. Level is debug, info, warn or error, and an empty one
// is info; format is text or json, and an empty one is text. Any other value is an error that names it.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	least := slog.LevelInfo
	switch level {
	case "", "info":
	case "debug":
		least = slog.LevelDebug
	case "warn":
		least = slog.LevelWarn
	case "error":
		least = slog.LevelError
	default:
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("log format %q: want text or json", format)
	}
}

// Build says which program this is.
type Build struct {
	// Version is the module's version, or "(devel)" when it was built from a working tree.
	Version string
	// Revision is the commit, with "+dirty" when the tree had changes, or "" when the build did not record one.
	Revision string
	// GoVersion is the toolchain, such as "go1.26.0".
	GoVersion string
}

// ReadBuild returns what the toolchain recorded in the running program.
func ReadBuild() Build {
	b := Build{Version: "(devel)", GoVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && b.Revision != "" {
		b.Revision += "+dirty"
	}
	return b
}

// NewRegistry returns a registry that already holds the Go runtime's metrics, the process's, and jishi_build_info: a
// gauge that is always 1, whose labels are the fields of b.
func NewRegistry(b Build) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "jishi_build_info",
		Help: "Always 1; the labels say which program this is.",
		ConstLabels: prometheus.Labels{
			"version": b.Version, "revision": b.Revision, "go_version": b.GoVersion,
		},
	})
	info.Set(1)
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
