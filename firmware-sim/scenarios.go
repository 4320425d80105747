package sim

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

//go:embed scenarios/*.yaml
var scenarioFiles embed.FS

// Scenarios lists the example scenarios that come with the program, in order of name.
func Scenarios() []string {
	entries, err := fs.ReadDir(scenarioFiles, "scenarios")
	if err != nil {
		panic("sim: the program's own scenarios cannot be read: " + err.Error()) // they are part of it
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// ScenarioText returns an example scenario, and false when there is none of that name.
func ScenarioText(name string) ([]byte, bool) {
	text, err := scenarioFiles.ReadFile("scenarios/" + name + ".yaml")
	return text, err == nil
}
