package spool

// Queued returns how many records wait for the committer.
func (l *Log) Queued() int {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	if l.pending == nil {
		return 0
	}
	return int(l.pending.end - l.pending.first)
}
