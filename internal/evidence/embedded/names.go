package embedded

import (
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
func (n *names) refresh(v *snapshot) (words []string, logs []logName, err error) {
	var lastWord, lastLog int64
	rows, err := v.ask("SELECT coalesce((SELECT max(id) FROM word), 0), coalesce((SELECT max(id) FROM log), 0)")
	if err == nil {
		err = rows.each(func() error { lastWord, lastLog = rows.integer(0), rows.integer(1); return nil })
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read names: %w", err)
	}
	n.mu.RLock()
	words, logs = n.words, n.logs
	n.mu.RUnlock()
	if lastWord <= int64(len(words)) && lastLog <= int64(len(logs)) {
		return words, logs, nil
	}
	if words, err = readWords(v); err != nil {
		return nil, nil, err
	}
	if logs, err = readLogs(v); err != nil {
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

func readWords(v *snapshot) ([]string, error) {
	var words []string
	rows, err := v.ask("SELECT id, text FROM word ORDER BY id")
	if err == nil {
		err = rows.each(func() error {
			id := int(rows.integer(0))
			for len(words) < id {
				words = append(words, "")
			}
			words[id-1] = rows.text(1)
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read words: %w", err)
	}
	return words, nil
}

func readLogs(v *snapshot) ([]logName, error) {
	var logs []logName
	rows, err := v.ask("SELECT id, base, bridge, epoch FROM log ORDER BY id")
	if err == nil {
		err = rows.each(func() error {
			id := int(rows.integer(0))
			for len(logs) < id {
				logs = append(logs, logName{})
			}
			logs[id-1] = logName{rows.text(1), rows.text(2), uint64(rows.integer(3))}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	return logs, nil
}
