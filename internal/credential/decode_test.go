package credential_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

// cheap is what hashes cost in tests.
var cheap = credential.Cost{MemoryKiB: 8, Passes: 1, Threads: 1}

// hashed is a password's hash as it stands in a file.
func hashed(password string) string { return credential.NewHash([]byte(password), cheap).String() }

// known is a hash that looks the same in every run.
const known = "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

func TestParse(t *testing.T) {
	t.Parallel()
	text := `
defaults: {messages_per_second: 20, max_payload: 64KiB}
devices:
  - name: plug-1
    note: 一号插座
    dialect: tasmota
    passwords:
      - hash: "` + known + `"
        not_after: 2027-06-30
    client_ids: [DVES_1]
    burst: 7
  - {name: press, role: device, certificates: [{cn: press}, {sha256: "` + strings.Repeat("AB:", 31) + `ab"}], publish: ["a/{username}/#"], subscribe: []}
  - name: 看板
    role: reader
    disabled: true
`
	got, err := credential.Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	hash, err := credential.ParseHash(known)
	if err != nil {
		t.Fatal(err)
	}
	want := &credential.File{
		Defaults: credential.Allowance{MessagesPerSecond: 20, MaxPayloadBytes: 64 << 10},
		Devices: []credential.Device{
			{
				Name: "plug-1", Note: "一号插座", Role: credential.RoleDevice, Dialect: "tasmota", Line: 4,
				Passwords: []credential.Password{{Hash: hash, NotAfter: time.Date(2027, 6, 30, 16, 0, 0, 0, time.UTC)}},
				ClientIDs: []string{"DVES_1"}, Allowance: credential.Allowance{Burst: 7},
			},
			{
				Name: "press", Role: credential.RoleDevice, Line: 12, Publish: []string{"a/{username}/#"}, Subscribe: []string{},
				Certificates: []credential.Identity{{CommonName: "press"}, {SHA256: strings.Repeat("ab", 32)}},
			},
			{Name: "看板", Role: credential.RoleReader, Disabled: true, Line: 13},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(credential.Hash{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a, want := got.AllowanceOf(got.Devices[0]), (credential.Allowance{MessagesPerSecond: 20, Burst: 7, MaxPayloadBytes: 64 << 10, MaxConnections: 8}); a != want {
		t.Errorf("allowance %+v, want %+v: its own, then the file's, then the default", a, want)
	}
}

func TestAnEmptyFileAdmitsNobody(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# only a comment\n", "devices:\n", "devices: []\n"} {
		f, err := credential.Parse("f", []byte(text))
		if err != nil || len(f.Devices) != 0 {
			t.Errorf("%q: got %+v, %v", text, f, err)
		}
	}
}

// Every mistake is reported with its line and what would be right, and no password is shown.
func TestParseReportsMistakes(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-and-more"
	pass := `passwords: [{hash: "` + known + `"}]`
	tests := map[string]struct {
		text string
		want []string // "line path: part of the English text"
	}{
		"not YAML":           {"devices: [", []string{"1 : YAML syntax"}},
		"another document":   {"- a\n", []string{"1 : want a mapping"}},
		"unknown key":        {"devises: []\n", []string{"1 devises: did you mean devices?"}},
		"password in clear":  {"devices:\n  - name: a\n    passwords:\n      - hash: " + secret + "\n", []string{"4 devices[0].passwords[0].hash: not the password itself"}},
		"password as text":   {"devices:\n  - name: a\n    passwords: [" + secret + "]\n", []string{"3 devices[0].passwords: want passwords or", "3 devices[0].passwords[0]: want a mapping"}},
		"password as key":    {"devices:\n  - name: a\n    password: " + secret + "\n    " + pass + "\n", []string{"3 devices[0].password: did you mean passwords?"}},
		"nothing to prove":   {"devices:\n  - name: a\n", []string{"2 devices[0].passwords: want passwords or certificates"}},
		"name with a slash":  {"devices:\n  - name: a/b\n    " + pass + "\n", []string{"2 devices[0].name: one level"}},
		"name of a link":     {"devices:\n  - name: jishi-bridge\n    " + pass + "\n", []string{"2 devices[0].name: must not begin"}},
		"name of all":        {"devices:\n  - name: tele\n    " + pass + "\n", []string{"2 devices[0].name: where the topics of many"}},
		"no name":            {"devices:\n  - note: a\n    " + pass + "\n", []string{"2 devices[0].name: want a username"}},
		"one name twice":     {"devices:\n  - {name: a, disabled: true}\n  - {name: a, disabled: true}\n", []string{"3 devices[1].name: used twice, first on line 2"}},
		"one certificate":    {"devices:\n  - {name: a, certificates: [{cn: x}]}\n  - {name: b, certificates: [{cn: x}]}\n", []string{"3 devices[1].certificates: belongs to a"}},
		"one hash twice":     {"devices:\n  - name: a\n    " + pass + "\n  - name: b\n    " + pass + "\n", []string{"5 devices[1].passwords: also that of a"}},
		"two identities":     {"devices:\n  - {name: a, certificates: [{cn: x, sha256: y}]}\n", []string{"2 devices[0].certificates[0]: either cn or sha256", "2 devices[0].certificates[0].sha256: 64 hexadecimal"}},
		"bad role":           {"devices:\n  - name: a\n    role: king\n    " + pass + "\n", []string{"3 devices[0].role: want device or reader"}},
		"reader publishes":   {"devices:\n  - {name: a, role: reader, disabled: true, publish: [x]}\n", []string{"2 devices[0].publish: only subscribes"}},
		"unknown dialect":    {"devices:\n  - {name: a, disabled: true, dialect: tasmato}\n", []string{"2 devices[0].dialect: unknown dialect"}},
		"bad filter":         {"devices:\n  - name: a\n    disabled: true\n    publish:\n      - a/#/b\n      - a+\n      - \"{user}/x\"\n      - $SYS/#\n", []string{"5 devices[0].publish[0]: # the last", "6 devices[0].publish[1]: + must", "7 devices[0].publish[2]: placeholders are", "8 devices[0].publish[3]: begin with $"}},
		"filter not quoted":  {"devices:\n  - name: a\n    disabled: true\n    publish: [{username}/#]\n", []string{"4 : YAML syntax"}},
		"bad limits":         {"defaults:\n  burst: 0\n  max_payload: 1GiB\n  messages_per_second: -1\n  max_connections: many\n", []string{"2 defaults.burst: from 1", "3 defaults.max_payload: at most 64MiB", "4 defaults.messages_per_second: 0.01", "5 defaults.max_connections: whole number"}},
		"bad end":            {"devices:\n  - name: a\n    passwords: [{hash: \"" + known + "\", not_after: tomorrow}]\n", []string{"3 devices[0].passwords[0].not_after: want a date"}},
		"bad truth":          {"devices:\n  - {name: a, disabled: yes}\n", []string{"2 devices[0].passwords: want passwords", "2 devices[0].disabled: want true or false"}},
		"too many passwords": {"devices:\n  - name: a\n    passwords: [" + strings.Repeat("{hash: \""+known+"\"},", 5) + "]\n", []string{"3 devices[0].passwords: at most 4", "3 devices[0].passwords: also that of a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := credential.Parse("f.yaml", []byte(tt.text))
			var problems credential.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want Problems", err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the report shows a password: %v", err)
			}
			for _, want := range tt.want {
				place, text, _ := strings.Cut(want, ": ")
				found := false
				for _, p := range problems {
					found = found || fmt.Sprintf("%d %s", p.Line, p.Path) == place && strings.Contains(p.En, text) && p.Zh != "" && p.File == "f.yaml"
				}
				if !found {
					t.Errorf("no problem %q in:\n%v", want, err)
				}
			}
		})
	}
}

func TestParseHashRefuses(t *testing.T) {
	t.Parallel()
	if _, err := credential.ParseHash(known); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{
		"nothing": "", "argon2i": strings.Replace(known, "argon2id", "argon2i", 1), "an old version": strings.Replace(known, "v=19", "v=16", 1),
		"more memory than there is": strings.Replace(known, "m=8", "m=4194304", 1),
		"memory that overflows":     strings.Replace(known, "m=8", "m=4294967304", 1),
		"too little memory":         strings.Replace(known, "p=1", "p=4", 1),
		"endless passes":            strings.Replace(known, "t=1", "t=99999999", 1),
		"no salt":                   strings.Replace(known, "MDEyMzQ1Njc4OWFiY2RlZg", "", 1),
		"a short hash":              known[:len(known)-30], "a longer one": known + "\n",
	} {
		if _, err := credential.ParseHash(s); err == nil {
			t.Errorf("%s: %q was read", name, s)
		}
	}
}

func TestHashWritesWhatItReads(t *testing.T) {
	t.Parallel()
	h := credential.NewHash([]byte("x"), credential.DefaultCost())
	again, err := credential.ParseHash(h.String())
	if err != nil || again != h || h.Weak() {
		t.Errorf("%v, %v", again, err)
	}
	if h == credential.NewHash([]byte("x"), credential.DefaultCost()) {
		t.Error("two hashes of one password are the same: no salt")
	}
	if p, q := credential.NewPassword(), credential.NewPassword(); p == q || len(p) != 24 {
		t.Errorf("passwords %q and %q", p, q)
	}
}

func TestReadRefusesAFileThatIsTooLarge(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 9<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := credential.Read(path); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("got %v", err)
	}
}

// Whatever stands in the file, it is read or refused with places in it; and what was read can be added to.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"devices:\n  - name: a\n    passwords:\n      - hash: \"" + known + "\"\n        not_after: 2027-01-01\n",
		"defaults: {burst: 3}\ndevices:\n- {name: b, certificates: [{cn: x}], publish: [\"{username}/#\"], subscribe: [a/+]}\n",
		"devices:\n    - name: c # comment\n      disabled: true\n# end", "devices: []", "devices:", "a: b: c", "devices:\n  - role: reader\n",
		"{devices: [{name: d, disabled: true, client_ids: [x]}]}\n", "devices:\n  - name: \"e\\\n    f\"\n    disabled: true\n",
	} {
		f.Add([]byte(s))
	}
	hash, err := credential.ParseHash(known)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := credential.Parse("f", text)
		if err != nil {
			var problems credential.Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("got %v, want Problems", err)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Zh == "" || p.En == "" {
					t.Errorf("problem without a place or a text: %+v", p)
				}
			}
			return
		}
		for _, d := range file.Devices {
			if err := credential.ValidName(d.Name); err != nil {
				t.Errorf("took the name %q: %v", d.Name, err)
			}
			until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			checkEdit(t, text, len(file.Devices), func() ([]byte, error) { return credential.Rotate(text, d.Name, hash, until, until.Add(-time.Hour)) })
			checkEdit(t, text, len(file.Devices), func() ([]byte, error) { return credential.Disable(text, d.Name, true) })
		}
		one := credential.Device{Name: "new-one", Role: credential.RoleDevice, Passwords: []credential.Password{{Hash: credential.NewHash([]byte("p"), cheap)}}}
		checkEdit(t, text, len(file.Devices)+1, func() ([]byte, error) { return credential.Add(text, one) })
	})
}

// checkEdit makes an edit, which is right or refused.
func checkEdit(t *testing.T, text []byte, devices int, edit func() ([]byte, error)) {
	t.Helper()
	out, err := edit()
	switch {
	case errors.Is(err, credential.ErrByHand), errors.Is(err, credential.ErrExists), errors.Is(err, credential.ErrFull):
		return
	case err != nil:
		t.Fatalf("edit of %q: %v", text, err)
	}
	f, err := credential.Parse("f", out)
	if err != nil || len(f.Devices) != devices {
		t.Errorf("edit made %q of %q: %v", out, text, err)
	}
}
