package api_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/access"
)

// hostile are values that a schema may allow and a careless handler does not survive.
var hostile = []string{
	"", " ", "0", "-1", "*", "%", "..", "../../etc/passwd", "a/b", "%2e%2e%2f", "%00", "\x00", "\n", "\xff\xfe", "\u202e", "null", "true", "[]", "{}",
	"' OR '1'='1", `";--`, "<script>", "=1+1", "NaN", "Infinity", "1e400", "9223372036854775807", "-9223372036854775808", "18446744073709551616",
	"0001-01-01", "9999-12-31", "2026-02-30", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-02T08:00:00+08:00", "-9999-01-01",
	strings.Repeat("长", 200), strings.Repeat("x", 3000), "😀", "İ",
}

// known are values that lead further in than chance does.
var known = []string{"b1", "b2", "cnc-1", "lathe-1", "target", "admin", "fuzz", "technician", "officer", "system-admin", "2026-03-01", "2026-03-02", "2026-03-02T01:00:00Z", "login", "refused"}

// generator makes requests from the description, the same for one seed.
type generator struct {
	*rand.Rand
	doc map[string]any
}

func (g *generator) pick(list []string) string { return list[g.IntN(len(list))] }

// text is a value for a parameter: mostly what its schema asks for.
func (g *generator) text(schema any) string {
	schema = g.resolve(schema)
	if g.IntN(4) == 0 {
		return g.pick(hostile)
	}
	if g.IntN(2) == 0 {
		return g.pick(known)
	}
	switch v := g.value(schema, 0).(type) {
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func (g *generator) resolve(schema any) any {
	for range 10 {
		ref, ok := dig(schema, "$ref").(string)
		if !ok {
			return schema
		}
		schema = dig(g.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return schema
}

// value is a value of the schema, or now and then one that is not.
func (g *generator) value(schema any, depth int) any {
	schema = g.resolve(schema)
	if g.IntN(12) == 0 || depth > 8 {
		return g.junk(depth)
	}
	if choices, ok := dig(schema, "enum").([]any); ok {
		return choices[g.IntN(len(choices))]
	}
	kind := dig(schema, "type")
	if list, ok := kind.([]any); ok {
		kind = list[g.IntN(len(list))]
	}
	switch kind {
	case "object":
		return g.object(schema, depth)
	case "array":
		return g.array(schema, depth)
	case "integer", "number":
		return g.number(schema)
	case "boolean":
		return g.IntN(2) == 0
	case "string":
		return g.string(schema)
	}
	return nil
}

func (g *generator) object(schema any, depth int) any {
	out := make(map[string]any)
	properties, _ := dig(schema, "properties").(map[string]any)
	required, _ := dig(schema, "required").([]any)
	for _, name := range sortedKeys(properties) {
		if slices.Contains(required, any(name)) && g.IntN(15) != 0 || g.IntN(2) == 0 {
			out[name] = g.value(properties[name], depth+1)
		}
	}
	if g.IntN(20) == 0 {
		out[g.pick(hostile)] = g.junk(depth + 1)
	}
	return out
}

func (g *generator) array(schema any, depth int) any {
	n := g.IntN(4)
	if most, ok := bound(schema, "maxItems"); ok && g.IntN(10) == 0 {
		n = int(most) + g.IntN(2)
	}
	out := make([]any, 0, n)
	for range n {
		out = append(out, g.value(dig(schema, "items"), depth+1))
	}
	return out
}

func (g *generator) number(schema any) any {
	var edges []float64
	for _, name := range []string{"minimum", "maximum"} {
		if v, ok := bound(schema, name); ok {
			edges = append(edges, v-1, v, v+1)
		}
	}
	if len(edges) > 0 && g.IntN(2) == 0 {
		return edges[g.IntN(len(edges))]
	}
	return []any{0, 1, -1, 1.5, 90, int64(1) << 62, -1 << 62, 1e300}[g.IntN(8)]
}

func (g *generator) string(schema any) any {
	if g.IntN(3) == 0 {
		return g.pick(known)
	}
	n := g.IntN(12)
	for _, name := range []string{"minLength", "maxLength"} {
		if v, ok := bound(schema, name); ok && g.IntN(3) == 0 {
			n = max(0, int(v)+g.IntN(3)-1)
		}
	}
	const letters = "abcdefghij0123456789-._ 张李*"
	out := make([]rune, n)
	for i := range out {
		out[i] = []rune(letters)[g.IntN(utf8.RuneCountInString(letters))]
	}
	return string(out)
}

// junk is a value that no schema has in mind.
func (g *generator) junk(depth int) any {
	switch g.IntN(6) {
	case 0:
		return nil
	case 1:
		return g.pick(hostile)
	case 2:
		return []any{g.pick(hostile), map[string]any{}}
	case 3:
		return map[string]any{"": []any{nil}}
	case 4:
		if depth < 4 {
			return []any{g.junk(depth + 1)}
		}
		return false
	}
	return 1e300
}

// bound is a limit of a schema; the description's numbers are json.Numbers.
func bound(schema any, name string) (float64, bool) {
	n, ok := dig(schema, name).(json.Number)
	if !ok {
		return 0, false
	}
	v, err := n.Float64()
	return v, err == nil
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// request makes one request of an operation: its address and its body.
func (g *generator) request(path string, operation any) (address, body string) {
	query := url.Values{}
	parameters, _ := dig(operation, "parameters").([]any)
	for _, p := range parameters {
		name, _ := dig(p, "name").(string)
		value := g.text(dig(p, "schema"))
		switch dig(p, "in") {
		case "path":
			if value == "" || name == "base" && g.IntN(2) == 0 {
				value = "b1" // an empty one is another path, and most end at the base
			}
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
		case "query":
			if g.IntN(2) == 0 {
				query.Set(name, value)
			}
		}
	}
	if g.IntN(20) == 0 {
		query.Set(g.pick(hostile), g.pick(hostile))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	schema := dig(operation, "requestBody", "content", "application/json", "schema")
	if schema == nil {
		return path, ""
	}
	return path, g.body(schema)
}

// body is mostly JSON of the schema.
func (g *generator) body(schema any) string {
	switch g.IntN(16) {
	case 0:
		return ""
	case 1:
		return g.pick(hostile)
	case 2:
		return strings.Repeat("[", 5000)
	case 3:
		return `{"name":` + strings.Repeat(`{"name":`, 2000)
	case 4:
		return `{"name":"a","name":"b","roles":[{"role":"officer","base":"*"},null]}`
	}
	text, err := json.Marshal(g.value(schema, 0))
	if err != nil {
		return "{"
	}
	if g.IntN(16) == 0 && len(text) > 0 {
		return string(text[:g.IntN(len(text))])
	}
	return string(text)
}

// requestsEach is how many requests each operation gets, requestSeed makes them the same each time.
var (
	requestsEach = flag.Int("requests", 30, "random requests for each operation of the API")
	requestSeed  = flag.Uint64("requests-seed", 20260302, "which random requests")
)

// No request that the description allows, and none that it does not, is a fault of the service; every answer is one that
// the description knows.
func TestNoRequestIsAFaultOfTheService(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]bool{"with accounts": true, "open": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if change {
				r = newRig(t, withAccounts)
				r.account(t, "target")
			}
			r.fill(t, "b1").serve(t)
			for i, op := range operationsOf(t, r) {
				method, path, _ := strings.Cut(op, " ")
				operation := dig(description(t, r.server).doc, "paths", path, strings.ToLower(method))
				g := &generator{rand.New(rand.NewPCG(*requestSeed, uint64(i))), description(t, r.server).doc}
				r.assault(t, g, method, path, operation)
			}
			if strings.Contains(r.logs.String(), "panicked") {
				t.Errorf("a handler panicked:\n%s", r.logs.String())
			}
			if r.options.Access != nil {
				if _, _, err := r.options.Access.Verify(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// assault sends an operation's requests as someone who may do it.
func (r *rig) assault(t *testing.T, g *generator, method, path string, operation any) {
	t.Helper()
	id, _ := dig(operation, "operationId").(string)
	v := &visitor{r: r}
	if r.options.Access != nil {
		r.account(t, "fuzz-"+id, r.rolesFor(access.Permission(dig(operation, "x-permission").(string)))...)
	}
	statuses := make(map[int]int)
	for range *requestsEach {
		if r.options.Access != nil {
			if v.session == nil {
				v = r.logIn(t, "fuzz-"+id)
			} else if _, err := r.options.Access.BySession(t.Context(), v.session.ID); err != nil {
				v = r.logIn(t, "fuzz-"+id) // it logged itself out
			}
		}
		address, body := g.request(path, operation)
		a := v.do(t, method, address, body)
		statuses[a.status]++
		if a.status >= 500 && a.status != http.StatusServiceUnavailable {
			t.Errorf("%s %s with %.300q: status %d: %s", method, address, body, a.status, a.body)
		}
	}
	t.Logf("%s: %v", id, statuses)
	if r.options.Access != nil && statuses[http.StatusUnauthorized] == *requestsEach {
		t.Errorf("%s was never reached", id)
	}
}

// rolesFor are the roles of one who may do it.
func (r *rig) rolesFor(p access.Permission) []access.Grant {
	for _, info := range access.Roles() {
		if info.Role.Has(p) && info.Reach == access.ReachCity {
			return []access.Grant{{Role: info.Role, Base: access.City}}
		}
	}
	for _, info := range access.Roles() {
		if info.Role.Has(p) {
			return []access.Grant{{Role: info.Role, Base: "b1"}, {Role: info.Role, Base: "b2"}}
		}
	}
	return []access.Grant{{Role: access.Technician, Base: "b1"}}
}
