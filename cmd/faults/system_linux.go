package main

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
)

// endWithParent makes the kernel end the process when this one dies without having done so.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// mountSmall mounts a file system of so many bytes on the folder, in memory; unmount takes it away. It needs root.
func mountSmall(dir string, size int) (unmount func() error, err error) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		return nil, errors.Join(errNoMount, err)
	}
	return func() error { return syscall.Unmount(dir, 0) }, nil
}
