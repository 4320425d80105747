package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine describes what the figures were measured on, as far as the system tells.
func machine(dir string) string {
	parts := []string{fmt.Sprintf("%d × %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name", runtime.GOARCH))}
	if total := field("/proc/meminfo", "MemTotal", ""); total != "" {
		var kib float64
		if _, err := fmt.Sscanf(total, "%f kB", &kib); err == nil {
			parts = append(parts, fmt.Sprintf("%.0f GB", kib/(1<<20)))
		}
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		release, _, _ := strings.Cut(strings.TrimSpace(string(kernel)), "-")
		parts = append(parts, runtime.GOOS+" "+release)
	}
	if fs := fileSystem(dir); fs != "" {
		parts = append(parts, fs)
	}
	return strings.Join(append(parts, runtime.Version()), ", ")
}

// field returns the value of a "name : value" line.
func field(path, name, otherwise string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(content)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

// fileSystem returns the kind of file system that holds the folder: the one mounted nearest to it.
func fileSystem(dir string) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}
	kind, nearest := "", -1
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		at := strings.TrimSuffix(f[1], "/") + "/"
		if strings.HasPrefix(dir+"/", at) && len(at) >= nearest {
			kind, nearest = f[2], len(at)
		}
	}
	return kind
}
