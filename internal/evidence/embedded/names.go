package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
)

// logName is a bridge's log.
type logName struct {
	base, bridge string
	epoch        uint64
}

// names is the readers' memory of words and logs, which only ever grow. Ids are dense, so a slice holds each table.
type names struct {
	mu    sync.RWMutex // guards the slices' headers; elements never change once they are in
	words []string     // by id - 1
	logs  []logName    // by id - 1
}

func newNames() *names { return &names{} }

// refresh reads what was added since, within the caller's snapshot, and returns all that is known: at least every name
// that the snapshot refers to.
func (n *names) refresh(ctx context.Context, tx *sql.Tx) (words []string, logs []logName, err error) {
	var lastWord, lastLog int
	const last = "SELECT coalesce((SELECT max(id) FROM word), 0), coalesce((SELECT max(id) FROM log), 0)"
	if err := tx.QueryRowContext(ctx, last).Scan(&lastWord, &lastLog); err != nil {
		return nil, nil, fmt.Errorf("read names: %w", err)
	}
	n.mu.RLock()
	words, logs = n.words, n.logs
	n.mu.RUnlock()
	if lastWord <= len(words) && lastLog <= len(logs) {
		return words, logs, nil
	}
	if words, err = readWords(ctx, tx); err != nil {
		return nil, nil, err
	}
	if logs, err = readLogs(ctx, tx); err != nil {
		return nil, nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(words) > len(n.words) {
		n.words = words
	}
	if len(logs) > len(n.logs) {
		n.logs = logs
	}
	return words, logs, nil
}

func readWords(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, text FROM word ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read words: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var words []string
	for rows.Next() {
		var id int
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, fmt.Errorf("read words: %w", err)
		}
		for len(words) < id {
			words = append(words, "")
		}
		words[id-1] = text
	}
	return words, rows.Err()
}

func readLogs(ctx context.Context, tx *sql.Tx) ([]logName, error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, base, bridge, epoch FROM log ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var logs []logName
	for rows.Next() {
		var id int
		var epoch int64
		var l logName
		if err := rows.Scan(&id, &l.base, &l.bridge, &epoch); err != nil {
			return nil, fmt.Errorf("read logs: %w", err)
		}
		l.epoch = uint64(epoch)
		for len(logs) < id {
			logs = append(logs, logName{})
		}
		logs[id-1] = l
	}
	return logs, rows.Err()
}
