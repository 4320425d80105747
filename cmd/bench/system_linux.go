package main

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// dataSync makes a file's bytes durable without what is not needed to find them again.
func dataSync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// endWithParent makes the kernel end the process when this one dies without having done so.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
