package credential_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

// written is a file as people write it.
const written = `# 车间 A
defaults: {burst: 9} # small

devices:
  # the press
  - name: press   # 压力机
    dialect: native
    passwords:
      - hash: "` + known + `"
    burst: 5
  - name: old
    disabled: false # for now

# the end
`

func TestEditsKeepComments(t *testing.T) {
	t.Parallel()
	hash, err := credential.ParseHash(strings.Replace(known, "MDEy", "MDE0", 1))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(written, "    disabled: false # for now\n", "    disabled: true # for now\n", 1)
	tests := map[string]struct {
		edit func() ([]byte, error)
		want string
	}{
		"add": {
			func() ([]byte, error) {
				return credential.Add([]byte(text), credential.Device{
					Name: "plug", Role: credential.RoleDevice, Dialect: "tasmota", Passwords: []credential.Password{{Hash: hash}},
					Publish: []string{"tele/{username}/#"},
				})
			},
			strings.Replace(text, "# for now\n", "# for now\n  - name: plug\n    dialect: tasmota\n    passwords:\n      - hash: \""+hash.String()+
				"\"\n    publish:\n      - \"tele/{username}/#\"\n", 1),
		},
		"rotate": {
			func() ([]byte, error) {
				return credential.Rotate([]byte(text), "press", hash, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
			},
			strings.Replace(text, `      - hash: "`+known+`"`, `      - hash: "`+hash.String()+`"`+"\n"+`      - hash: "`+known+`"`+"\n"+`        not_after: "2027-01-01T08:00:00+08:00"`, 1),
		},
		"disable": {
			func() ([]byte, error) { return credential.Disable([]byte(text), "press", true) },
			strings.Replace(text, "# 压力机\n", "# 压力机\n    disabled: true\n", 1),
		},
		"disable what is": {
			func() ([]byte, error) { return credential.Disable([]byte(text), "old", true) }, text,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.edit()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEditsRefuseRatherThanGuess(t *testing.T) {
	t.Parallel()
	text := []byte("devices: [{name: a, disabled: true}]\n")
	if _, err := credential.Add(text, credential.Device{Name: "b", Role: credential.RoleDevice, Certificates: []credential.Identity{{CommonName: "b"}}}); !errors.Is(err, credential.ErrByHand) {
		t.Errorf("add to a list in one line: got %v", err)
	}
	if _, err := credential.Add(text, credential.Device{Name: "a"}); !errors.Is(err, credential.ErrExists) {
		t.Errorf("add what is there: got %v", err)
	}
	if _, err := credential.Disable(text, "b", true); !errors.Is(err, credential.ErrUnknown) {
		t.Errorf("disable what is not there: got %v", err)
	}
	if got, err := credential.Disable(text, "a", false); !errors.Is(err, credential.ErrByHand) {
		t.Errorf("enable what could not connect: got %s, %v", got, err)
	}
}

// Rotation ends the old passwords, and drops those that have ended; it never makes one good for longer.
func TestRotationNeverProlongs(t *testing.T) {
	t.Parallel()
	text, now := []byte("devices:\n  - name: a\n    certificates: [{cn: a}]\n"), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var err error
	rapid.Check(t, func(t *rapid.T) {
		overlap := time.Duration(rapid.IntRange(0, 40).Draw(t, "overlap")) * time.Hour
		now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "passed")) * time.Hour)
		before, _ := credential.Parse("f", text)
		hash := credential.NewHash([]byte("x"), cheap)
		next, rotateErr := credential.Rotate(text, "a", hash, now.Add(overlap), now)
		if errors.Is(rotateErr, credential.ErrFull) {
			return
		}
		if err = rotateErr; err != nil {
			t.Fatal(err)
		}
		after, _ := credential.Parse("f", next)
		old := map[credential.Hash]time.Time{}
		for _, p := range before.Devices[0].Passwords {
			old[p.Hash] = p.NotAfter
		}
		for i, p := range after.Devices[0].Passwords {
			end, was := old[p.Hash]
			switch {
			case i == 0:
				if p.Hash != hash || !p.NotAfter.IsZero() {
					t.Fatalf("the new password is %+v", p)
				}
			case !was || p.NotAfter.IsZero() || p.NotAfter.After(now.Add(overlap)) || !end.IsZero() && p.NotAfter.After(end) || !p.NotAfter.After(now):
				t.Fatalf("an old password that ended at %v ends at %v; now is %v", end, p.NotAfter, now)
			}
		}
		text = next
	})
}

// What Add writes is what was meant, whatever the names.
func TestAddWritesWhatIsMeant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := credential.Device{Name: rapid.String().Draw(t, "name"), Role: credential.RoleDevice, Note: rapid.StringMatching(`[ -~一-龥]{0,20}`).Draw(t, "note")}
		d.Dialect = rapid.SampledFrom(append(credential.Dialects(), "")).Draw(t, "dialect")
		d.Certificates = []credential.Identity{{CommonName: rapid.StringMatching(`[ -~]{1,20}`).Draw(t, "cn")}}
		if rapid.Bool().Draw(t, "topics") {
			d.Publish = []string{rapid.StringMatching(`[a-z+#/{} :'"]{1,12}`).Draw(t, "filter")}
		}
		text := []byte(written)
		text = []byte(strings.Replace(string(text), "disabled: false", "disabled: true", 1))
		out, err := credential.Add(text, d)
		if err != nil {
			return // it could not be an entry
		}
		f, err := credential.Parse("f", out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got, _ := f.Find(d.Name)
		if diff := cmp.Diff(d, got, cmpopts.IgnoreFields(credential.Device{}, "Line")); diff != "" {
			t.Fatalf("(-meant +read):\n%s", diff)
		}
	})
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c.yaml")
	add := func(name string) func([]byte) ([]byte, error) {
		return func(text []byte) ([]byte, error) {
			return credential.Add(text, credential.Device{Name: name, Role: credential.RoleDevice, Certificates: []credential.Identity{{CommonName: name}}})
		}
	}
	if err := credential.Update(path, add("a")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file has mode %v, %v; want it private", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	err = credential.Update(path, func(text []byte) ([]byte, error) {
		if err := credential.Update(path, add("b")); err != nil {
			return nil, err
		}
		return add("c")(text)
	})
	if !errors.Is(err, credential.ErrRaced) {
		t.Errorf("two at once: got %v, want ErrRaced", err)
	}
	f, err := credential.Read(path)
	if err != nil || len(f.Devices) != 2 {
		t.Errorf("got %+v, %v; want a and b", f, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("the mode became %v", info.Mode())
	}
	if err := credential.Update(path, func([]byte) ([]byte, error) { return []byte("nonsense"), nil }); err == nil {
		t.Error("nonsense was written")
	}
}
