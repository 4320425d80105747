package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/jishi-telemetry/jishi/internal/calendar"
)

const (
	langZH = "zh"
	langEN = "en"

	leastEvery = 500 * time.Millisecond
)

// topFlags say what to watch, and how.
type topFlags struct {
	server, base, lang string
	tokenFile          string
	every              time.Duration
	once               bool
}

func newTop() *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use: "top", Short: "Show the live board in the terminal 实时看板", Args: cobra.NoArgs,
		Long: "Shows what every machine of a base is doing now, since when, today's hours, its rate with the coverage, and its\n" +
			"meter's last word. Asks a server (`jishi up`, `jishi serve`) again and again, and says so when it does not answer.\n\n" +
			"按键 Keys: q quits, j/k and PgUp/PgDn move, / filters, i n s h r l w sort (again: reversed), L changes the language.\n" +
			"标记 Marks: > 运行 running, - 待机 idle, . 关机 off, ! 故障 fault, ? 未知 unknown; a rate of — is withheld.",
		Example: "  jishi top\n  jishi top --server http://10.0.0.5:8080 --base cq01\n  jishi top --once | grep '^!'",
	}
	cmd.Flags().StringVar(&f.server, "server", "http://127.0.0.1:8080", "address of the server")
	cmd.Flags().StringVar(&f.base, "base", "", "code of the base; may be left out when the server has one")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "file with an API token, for a server that asks who calls (jishi account token add) 接口令牌文件")
	cmd.Flags().DurationVar(&f.every, "every", 2*time.Second, "how often to ask, at least 500ms")
	cmd.Flags().BoolVar(&f.once, "once", false, "print one plain table and exit")
	cmd.Flags().StringVar(&f.lang, "lang", langZH, "zh or en")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return top(cmd.Context(), &f, cmd.OutOrStdout()) }
	return cmd
}

func top(ctx context.Context, f *topFlags, out io.Writer) error {
	client, err := f.client()
	if err != nil {
		return usageError{err}
	}
	if f.once {
		return topOnce(ctx, client, f.lang, out)
	}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return usageError{errors.New("输出不是终端 the output is no terminal: add --once for one plain table")}
	}
	m := newTopModel(f, lipgloss.NewRenderer(out))
	m.fetch = func() tea.Msg { return fetchBoard(ctx, client) }
	// The process's own signal handler ends ctx, and with it the program.
	_, err = tea.NewProgram(m, tea.WithContext(ctx), tea.WithOutput(out), tea.WithAltScreen(), tea.WithoutSignalHandler()).Run()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("show the board: %w", err)
	}
	return nil
}

func (f *topFlags) client() (*boardClient, error) {
	if f.lang != langZH && f.lang != langEN {
		return nil, fmt.Errorf("--lang %q: want zh or en", f.lang)
	}
	if f.every < leastEvery {
		return nil, fmt.Errorf("--every %s: want at least %s", f.every, leastEvery)
	}
	c, err := newBoardClient(f.server, f.base)
	if err == nil && f.tokenFile != "" {
		err = c.useToken(f.tokenFile)
	}
	return c, err
}

// topOnce prints the whole board as plain text.
func topOnce(ctx context.Context, client *boardClient, lang string, out io.Writer) error {
	board, err := client.board(ctx)
	if err != nil {
		return fmt.Errorf("ask %s for the board 读取看板 (--server, --base): %w", client.server.Redacted(), err)
	}
	b := newTopBoard(board, lang)
	columns, gap := b.layOut(0)
	lines := []string{headerRow(b, columns, gap)}
	for i := range b.Machines {
		var cells []string
		for _, c := range columns {
			cells = append(cells, cell(c.text(b, &b.Machines[i]), c.width, c.right))
		}
		lines = append(lines, strings.Join(cells, strings.Repeat(" ", gap)))
	}
	lines = append(lines, b.title()+calendar.DateOf(b.Now).String()+" "+clock(b.Now), b.counts())
	if len(b.Machines) == 0 {
		lines = append(lines, b.words.empty)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

func headerRow(b *topBoard, columns []placed, gap int) string {
	cells := make([]string, 0, len(columns))
	for _, c := range columns {
		cells = append(cells, cell(b.words.columns[c.id], c.width, c.right))
	}
	return strings.Join(cells, strings.Repeat(" ", gap))
}
