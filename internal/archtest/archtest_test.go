package archtest

import (
	"os"
	"testing"
)

// TestRepository is the point of the package: every rule, on the repository as it is.
func TestRepository(t *testing.T) {
	t.Parallel()
	repository, err := read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(repository.files) < 10 || len(repository.documents) == 0 {
		t.Fatalf("found %d Go files and %d documents: this is not the repository's root", len(repository.files), len(repository.documents))
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range r.check(repository) {
				t.Error(p)
			}
		})
	}
	for _, p := range long(repository) {
		t.Log("getting long:", p)
	}
}
