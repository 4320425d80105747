//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner refuses to make files in another user's directory: the bridge could not open them.
func checkOwner(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the log's directory: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("日志目录属于用户 %d，请以该用户运行: %s belongs to user %d and this is user %d, whose files the bridge could not open: "+
			"run it as that user, such as sudo -u jishi", st.Uid, dir, st.Uid, os.Geteuid())
	}
	return nil
}
