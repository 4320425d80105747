package main

import (
	"os"
	"os/exec"
	"syscall"
)

// dataSync makes a file's bytes durable without what is not needed to find them again.
func dataSync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// endWithParent makes the kernel end the process when this one dies without having done so.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
