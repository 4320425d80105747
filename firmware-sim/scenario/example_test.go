package scenario_test

import (
	"fmt"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

func ExampleRead() {
	s, err := scenario.Read("lathes.yaml", []byte(`
from: 2026-03-02
bases:
  code: lathes
  workshops:
    machines: {kind: lathe, count: 3}
  trainees: 6
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	base := &s.Bases[0]
	for _, session := range s.Sessions(&base.Classes[0], s.FromMs) {
		fmt.Println(session.Start().In(s.Zone).Format("Mon 15:04"), len(session.Class.Trainees), session.Class.Stations)
	}
	// Output:
	// Mon 08:30 6 [at-lathe-1 at-lathe-2 at-lathe-3]
	// Mon 13:30 6 [at-lathe-1 at-lathe-2 at-lathe-3]
}

func ExampleRead_mistakes() {
	_, err := scenario.Read("lathes.yaml", []byte(`
from: 2026-03-02
bases:
  workshops:
    machines: {knd: lathe, kind: lath}
`))
	fmt.Println(err)
	// Output:
	// lathes.yaml:5:16: bases.workshops.machines.knd: 未知的键，是否应为 kind？ / unknown key, did you mean kind?
	// lathes.yaml:5:34: bases.workshops.machines.kind = "lath": 未知的值，是否应为 lathe？ / unknown value, did you mean lathe?
}
