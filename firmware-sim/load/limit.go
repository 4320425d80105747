package load

import "fmt"

// FileLimitError says that a process may not open as many files as its connections need.
type FileLimitError struct{ Need, Have int }

// Error implements error, with what would help.
func (e *FileLimitError) Error() string {
	return fmt.Sprintf("open %d files: the limit of this process is %d and cannot be raised: use fewer devices or more processes, or raise it (ulimit -Hn, LimitNOFILE=, docker --ulimit nofile=)",
		e.Need, e.Have)
}

// FilesFor is how many files a process must be able to open for so many connections.
func FilesFor(connections int) int { return connections + spareFiles }

// Room is how many connections fit below the limit.
func (e *FileLimitError) Room() int { return max(0, e.Have-spareFiles) }
