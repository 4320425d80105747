package influxdtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Module is what Binary builds when it finds no influxd: the last InfluxDB that is Go alone, MIT licence.
const Module = "github.com/influxdata/influxdb/cmd/influxd@v1.8.10"

// Binary returns the path of an influxd: that of the environment variable JISHI_INFLUXD, else .cache/bin/influxd under
// the repository's root, else the one in PATH, else it builds Module into .cache/bin (about a minute, once).
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := find()
	if err != nil {
		tb.Fatalf("find influxd: %v", err)
	}
	return path
}

func find() (string, error) {
	if path := os.Getenv("JISHI_INFLUXD"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("JISHI_INFLUXD: %w", err)
		}
		return path, nil
	}
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	cached := filepath.Join(root, ".cache", "bin", "influxd")
	if executable(cached) {
		return cached, nil
	}
	if path, err := exec.LookPath("influxd"); err == nil {
		return path, nil
	}
	return cached, build(cached)
}

// build makes the binary once, however many test processes ask at the same time: the others wait for the lock and find
// it there. The rename makes it appear whole or not at all, also where there is no lock.
func build(target string) error {
	dir := filepath.Dir(target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	unlock, err := lock(filepath.Join(dir, "influxd.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if executable(target) {
		return nil
	}
	stage, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return fmt.Errorf("make a build folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(stage) }()
	cmd := exec.Command("go", "install", Module)
	cmd.Dir = os.TempDir() // outside this module, whose go.mod must not bend the versions of influxd's own
	cmd.Env = append(os.Environ(), "GOBIN="+stage, "GOFLAGS=-buildvcs=false -mod=mod", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s: %w\n%s", Module, err, out)
	}
	if err := os.Rename(filepath.Join(stage, "influxd"), target); err != nil {
		return fmt.Errorf("put influxd in its place: %w", err)
	}
	return nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// repositoryRoot walks up from the working directory, which is the tested package's, to the folder with go.mod.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory: set JISHI_INFLUXD to an influxd 1.8")
		}
		dir = parent
	}
}
