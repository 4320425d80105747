package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

const (
	// maxBoardBytes is the largest answer that is read: a board of 500 machines has about 300 kB.
	maxBoardBytes = 16 << 20
	boardTimeout  = 10 * time.Second
)

// boardClient asks a server for the board of one base. One call at a time.
type boardClient struct {
	server *url.URL
	base   string // "" until the server has said which is its only one
	token  obs.Secret
	http   *http.Client
}

func newBoardClient(server, base string) (*boardClient, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--server %q: want an address such as http://127.0.0.1:8080", server)
	}
	return &boardClient{server: u, base: base, http: &http.Client{Timeout: boardTimeout}}, nil
}

// useToken reads the API token that the client shows from now on.
func (c *boardClient) useToken(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if !strings.HasPrefix(token, access.TokenPrefix) || strings.ContainsFunc(token, unicode.IsSpace) {
		return fmt.Errorf("--token-file %s: 应只含一个令牌 want one token, as `jishi account token add` shows it", path)
	}
	c.token = obs.Secret(token)
	return nil
}

// board returns what every machine is doing now. Its texts are printable.
func (c *boardClient) board(ctx context.Context) (*api.Board, error) {
	if c.base == "" {
		base, err := c.onlyBase(ctx)
		if err != nil {
			return nil, err
		}
		c.base = base
	}
	var b api.Board
	if err := c.get(ctx, &b, "bases", c.base, "state"); err != nil {
		return nil, err
	}
	cleanBoard(&b)
	return &b, nil
}

func (c *boardClient) onlyBase(ctx context.Context) (string, error) {
	var list struct{ Items []api.Base }
	if err := c.get(ctx, &list, "bases"); err != nil {
		return "", err
	}
	if len(list.Items) == 1 {
		return list.Items[0].Code, nil
	}
	var codes []string
	for i := range list.Items {
		codes = append(codes, printable(list.Items[i].Code))
	}
	if len(codes) == 0 {
		return "", errors.New("该服务器没有登记任何基地 the server has no base")
	}
	return "", fmt.Errorf("请用 --base 指定基地 name one with --base: %s", strings.Join(codes, ", "))
}

// get asks for one resource of the API.
func (c *boardClient) get(ctx context.Context, into any, path ...string) error {
	address := c.server.JoinPath("api", "v1")
	for _, p := range path {
		address = address.JoinPath(url.PathEscape(p))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		// What went wrong comes first: the banner has one line, and the address is the user's own.
		if why, ok := errors.AsType[*url.Error](err); ok {
			err = why.Err
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBoardBytes+1))
	switch {
	case err != nil:
		return fmt.Errorf("read answer of %s: %w", address, err)
	case len(body) > maxBoardBytes:
		return fmt.Errorf("answer of %s is over %d MiB", address, maxBoardBytes>>20)
	case resp.StatusCode != http.StatusOK:
		return refusal(address, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s is no jishi server: its answer is not what the API promises: %w", address, err)
	}
	return nil
}

// refusal says in the server's own words why there is no board.
func refusal(address *url.URL, status int, body []byte) error {
	var problem struct{ Detail string }
	if err := json.Unmarshal(body, &problem); err != nil || problem.Detail == "" {
		return fmt.Errorf("%s: %d %s (is this a jishi server?)", address, status, http.StatusText(status))
	}
	return fmt.Errorf("%s (%d)", printable(problem.Detail), status)
}

// cleanBoard makes every text printable: names come from people and words from devices.
func cleanBoard(b *api.Board) {
	for _, s := range []*string{&b.Base, &b.Name, &b.NameEN} {
		*s = printable(*s)
	}
	for i := range b.Machines {
		m := &b.Machines[i]
		for _, s := range []*string{
			&m.Equipment, &m.Name, &m.NameEN, &m.Workshop, &m.State, &m.StateZh, &m.Word, &m.Device, &m.LastState,
		} {
			*s = printable(*s)
		}
		for n := range m.Notes {
			m.Notes[n] = printable(m.Notes[n])
		}
		values := make(map[string]float64, len(m.LastValues))
		for name, v := range m.LastValues {
			values[printable(name)] = v
		}
		m.LastValues = values
	}
}
