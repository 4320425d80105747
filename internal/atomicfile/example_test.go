package atomicfile_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
)

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tree-head")

	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Abort()
	if _, err := fmt.Fprintln(f, "size 4711"); err != nil {
		panic(err)
	}
	if err := f.Commit(); err != nil {
		panic(err)
	}

	content, _ := os.ReadFile(path)
	fmt.Print(string(content))
	// Output: size 4711
}
