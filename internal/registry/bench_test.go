package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jishi-telemetry/jishi/internal/registry"
)

// BenchmarkLoadCity loads what a city has: 60 bases of 300 machines with a meter each.
func BenchmarkLoadCity(b *testing.B) {
	fsys := fstest.MapFS{}
	size := 0
	for base := range 60 {
		var y strings.Builder
		fmt.Fprintf(&y, "bases:\n  - code: b%d\n    name: 基地\n    tier: N\n    districts: [{code: \"500112\"}]\n    workshops: [{id: w, name: 车间}]\n    equipment:\n", base)
		for i := range 300 {
			fmt.Fprintf(&y, "      - id: m%d\n        asset_number: A-%d\n        name: 数控车床\n        model: CK6140\n        workshop: w\n        category: general\n        profile: machine\n        value_yuan: 185000.00\n        signal: {kind: power, power: {off_w: 40, run_w: 650}}\n", i, i)
		}
		y.WriteString("    devices:\n")
		for i := range 300 {
			fmt.Fprintf(&y, "      - {id: d%d, kind: meter, dialect: tasmota}\n", i)
		}
		y.WriteString("    bindings:\n")
		for i := range 300 {
			fmt.Fprintf(&y, "      - {device: d%d, equipment: m%d, use: state}\n", i, i)
		}
		fsys[fmt.Sprintf("b%02d.yaml", base)] = &fstest.MapFile{Data: []byte(y.String())}
		size += y.Len()
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.Load(fsys); err != nil {
			b.Fatal(err)
		}
	}
}
