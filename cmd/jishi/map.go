package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

func newMap() *cobra.Command {
	cmd := &cobra.Command{
		Use: "map", Short: "Write and try mappings for devices of one's own 设备映射", Args: cobra.NoArgs,
		Long: "A mapping file says which MQTT topics and JSON paths of a device mean which channels, quantities and states, so that\n" +
			"a base can add a device that has no dialect of its own. docs/dialects/mapping.md describes the language;\n" +
			"deploy/mappings/example.yaml is a file to begin with.\n" +
			"映射文件用 YAML 说明设备的 MQTT 主题和 JSON 路径对应哪些通道、量和状态；语言说明见 docs/dialects/mapping.md。",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newMapTry(), newMapCheck())
	return cmd
}

func newMapCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE|DIR...", Short: "Check mapping files 检查映射文件", Args: cobra.MinimumNArgs(1),
		Long: "Reads mapping files, or all *.yaml and *.yml of a directory, and tells every mistake with its line and column and what\n" +
			"would be right. Exit code 1 when there is any.\n" +
			"检查映射文件，逐处列出错误所在的行、列和正确写法；有错时退出码为 1。",
		Example: "  jishi map check deploy/mappings/example.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			mappings, err := readMappings(args)
			for _, m := range mappings {
				if e := describeMapping(cmd.OutOrStdout(), m); e != nil {
					return e
				}
			}
			return err
		},
	}
}

// describeMapping says of a file that it is right, and what it reads.
func describeMapping(w io.Writer, m *mapping.Mapping) error {
	_, err := fmt.Fprintf(w, "%s %s: %d 条规则 rules: %s\n", good, printable(m.Name()), m.Rules(), printable(strings.Join(m.Topics(), ", ")))
	return err
}

// readMappings reads mapping files and directories of them. The mappings that are right are returned also when others are
// not; the error then holds every mistake of every file.
func readMappings(paths []string) ([]*mapping.Mapping, error) {
	var files []string
	for _, path := range paths {
		found, err := mappingFiles(path)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	var all []*mapping.Mapping
	var wrong []error
	for i, file := range files {
		if slices.Contains(files[:i], file) {
			continue
		}
		m, err := readMapping(file)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		all = append(all, m)
	}
	return all, errors.Join(wrong...)
}

// mappingFiles returns the file itself, or the YAML files of a directory in order.
func mappingFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read mappings: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read mappings: %w", err)
	}
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("read mappings: %s holds no *.yaml or *.yml", path)
	}
	return files, nil
}

func readMapping(path string) (*mapping.Mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	defer f.Close()
	// One byte over the limit is enough for the parser to refuse it.
	text, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	return mapping.Parse(path, text)
}
