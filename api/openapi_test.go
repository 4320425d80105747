package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"mime"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/jishi-telemetry/jishi/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

const golden = "../docs/openapi.json"

// openAPI is the API's description, ready to hold answers to it.
type openAPI struct {
	doc      map[string]any
	paths    []pathPattern
	mu       sync.Mutex // guards compiler and schemas
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

// descriptions keeps the description of each server, so that it is read once.
var descriptions sync.Map

func description(t *testing.T, s *api.Server) *openAPI {
	t.Helper()
	if d, ok := descriptions.Load(s); ok {
		return d.(*openAPI)
	}
	text, err := s.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	d := &openAPI{doc: doc.(map[string]any), compiler: c, schemas: make(map[string]*jsonschema.Schema)}
	for _, template := range slices.Sorted(maps.Keys(dig(d.doc, "paths").(map[string]any))) {
		pattern := regexp.MustCompile(`\\\{[^}]*\\\}`).ReplaceAllString(regexp.QuoteMeta(template), "[^/]+")
		d.paths = append(d.paths, pathPattern{template, regexp.MustCompile("^" + pattern + "/?$")})
	}
	descriptions.Store(s, d)
	return d
}

// pathPattern is a path of the description, and what matches it.
type pathPattern struct {
	template string
	matches  *regexp.Regexp
}

// check holds an answer to what the description says of its path, method and status. An answer that no operation gave
// must still be a problem.
func (d *openAPI) check(t *testing.T, method, path string, a answer) {
	t.Helper()
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if len(a.body) == 0 {
		return
	}
	if err != nil {
		t.Fatalf("%s %s: content type %q: %v", method, path, a.header.Get("Content-Type"), err)
	}
	pointer := "#/components/schemas/ErrorModel"
	template := d.template(path)
	responses := dig(d.doc, "paths", template, strings.ToLower(method), "responses")
	if response := dig(responses, strconv.Itoa(a.status)); response != nil {
		if dig(response, "content", kind, "schema") == nil {
			t.Fatalf("%s %s: status %d as %s is not described", method, path, a.status, kind)
		}
		escaped := strings.ReplaceAll
		pointer = "#/paths/" + escaped(template, "/", "~1") + "/" + strings.ToLower(method) + "/responses/" +
			strconv.Itoa(a.status) + "/content/" + escaped(kind, "/", "~1") + "/schema"
	} else if a.status < 400 || kind != "application/problem+json" {
		if strings.HasPrefix(path, "/api/") {
			t.Fatalf("%s %s: status %d as %s is not described", method, path, a.status, kind)
		}
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	if err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
	}
	if err := d.schema(t, pointer).Validate(value); err != nil {
		t.Errorf("%s %s: the answer is not what the description says: %v", method, path, err)
	}
}

// template is the path as the description writes it, "" for none of its.
func (d *openAPI) template(path string) string {
	path, _, _ = strings.Cut(path, "?")
	for _, p := range d.paths {
		if p.matches.MatchString(path) {
			return p.template
		}
	}
	return ""
}

func (d *openAPI) schema(t *testing.T, pointer string) *jsonschema.Schema {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.schemas[pointer]; s != nil {
		return s
	}
	// A pointer in a URL writes the braces of a template as escapes.
	s, err := d.compiler.Compile("openapi.json" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer))
	if err != nil {
		t.Fatal(err)
	}
	d.schemas[pointer] = s
	return s
}

func dig(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

func TestDescriptionIsServedAndKept(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	a := r.get(t, "/openapi.json")
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/openapi+json") {
		t.Fatalf("status %d, content type %q", a.status, a.header.Get("Content-Type"))
	}
	var got bytes.Buffer
	if err := json.Indent(&got, a.body, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s is stale (go test ./api -run %s -update):\n%s", golden, t.Name(), diff)
	}
}

// operators are the paths that are not part of the described API: for operators, and for browsers.
func operators() []string {
	return []string{
		"/", "/index.html", "/board.css", "/board.js", "/icon.svg", "/login.js", "/page.js", "/story.js", "/words.js",
		"/healthz", "/readyz", "/metrics",
		"/openapi.json", "/openapi.yaml", "/openapi-3.0.json", "/openapi-3.0.yaml",
	}
}

func TestDescriptionAndRoutesAgree(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var routes, described []string
	for _, route := range r.server.Routes() {
		if route.Method == http.MethodHead && slices.Contains(operators(), route.Path) {
			continue
		}
		path := regexp.MustCompile(`:([a-z_]+)`).ReplaceAllString(route.Path, "{$1}")
		if !slices.Contains(operators(), path) {
			routes = append(routes, route.Method+" "+path)
		}
	}
	for path, methods := range dig(description(t, r.server).doc, "paths").(map[string]any) {
		for method := range methods.(map[string]any) {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(routes)
	slices.Sort(described)
	if diff := cmp.Diff(described, routes); diff != "" {
		t.Errorf("described (-) and routed (+) differ:\n%s", diff)
	}
	if len(routes) < 7 {
		t.Errorf("only %d routes were seen", len(routes))
	}
	for _, path := range operators() {
		if !slices.ContainsFunc(r.server.Routes(), func(x fiber.Route) bool { return x.Path == path }) {
			t.Errorf("%s is exempt, and not there", path)
		}
	}
}

func TestDescriptionHoldsTogether(t *testing.T) {
	t.Parallel()
	d := description(t, newRig(t).server)
	if v, _ := d.doc["openapi"].(string); !strings.HasPrefix(v, "3.1.") {
		t.Errorf("openapi is %v, want 3.1.x", d.doc["openapi"])
	}
	ids := make(map[string]bool)
	for path, methods := range dig(d.doc, "paths").(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			where := strings.ToUpper(method) + " " + path
			id, _ := dig(operation, "operationId").(string)
			if id == "" || ids[id] {
				t.Errorf("%s: operationId %q is empty or used twice", where, id)
			}
			ids[id] = true
			if s, _ := dig(operation, "summary").(string); s == "" {
				t.Errorf("%s: no summary", where)
			}
			checkParameters(t, where, path, operation)
			checkResponses(t, d, path, method, operation)
		}
	}
	walk(d.doc, func(m map[string]any) {
		if ref, ok := m["$ref"].(string); ok {
			keys := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
			if dig(d.doc, keys...) == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
	})
}

// checkParameters compares a path's parameters with those declared.
func checkParameters(t *testing.T, where, path string, operation any) {
	t.Helper()
	var named, declared []string
	for _, m := range regexp.MustCompile(`\{([^}]*)\}`).FindAllStringSubmatch(path, -1) {
		named = append(named, m[1])
	}
	list, _ := dig(operation, "parameters").([]any)
	for _, p := range list {
		if dig(p, "schema") == nil {
			t.Errorf("%s: parameter %v has no schema", where, dig(p, "name"))
		}
		if dig(p, "in") == "path" {
			declared = append(declared, dig(p, "name").(string))
			if dig(p, "required") != true {
				t.Errorf("%s: path parameter %v is not required", where, dig(p, "name"))
			}
		}
	}
	slices.Sort(named)
	slices.Sort(declared)
	if !slices.Equal(named, declared) {
		t.Errorf("%s: path names %v, parameters declare %v", where, named, declared)
	}
}

func checkResponses(t *testing.T, d *openAPI, path, method string, operation any) {
	t.Helper()
	where := strings.ToUpper(method) + " " + path
	responses, _ := dig(operation, "responses").(map[string]any)
	for _, status := range []string{"200", "404", "422", "500", "503"} {
		if responses[status] == nil && !(status == "404" && !strings.Contains(path, "{")) {
			t.Errorf("%s: no response %s", where, status)
		}
	}
	for status, response := range responses {
		if s, _ := dig(response, "description").(string); s == "" {
			t.Errorf("%s: response %s has no description", where, status)
		}
		kind := "application/problem+json"
		if status == "200" {
			kind = "application/json"
		}
		if dig(response, "content", kind, "schema") == nil {
			t.Errorf("%s: response %s has no schema for %s", where, status, kind)
			continue
		}
		escape := strings.NewReplacer("/", "~1").Replace
		d.schema(t, "#/paths/"+escape(path)+"/"+method+"/responses/"+status+"/content/"+escape(kind)+"/schema")
	}
}

func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, x := range v {
			walk(x, visit)
		}
	case []any:
		for _, x := range v {
			walk(x, visit)
		}
	}
}
