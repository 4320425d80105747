package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/obs"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

func newRenewLog() *cobra.Command {
	var rescued []string
	cmd := &cobra.Command{
		Use: "renew-log", Short: "Begin a new log and carry over what the city does not have 更新日志", Args: cobra.NoArgs,
		Long: "For a bridge that the city refuses as forked, because its log was restored from an old copy, and for one whose disk\n" +
			"was replaced. Makes a new log under a new epoch with every record that the city has not acknowledged, unchanged and in\n" +
			"order. The old log is kept aside. Stop the bridge first; a crash leaves the old log or the new one, whole.\n" +
			"用于被市级以 forked 拒收（日志由旧备份恢复）或更换磁盘的网桥。请先停止网桥；旧日志另存，不会删除。\n\n" +
			"With --from it also takes what the city does not have from the log of the old disk, which it only reads.",
		Example: "  systemctl stop jishi-bridge\n  sudo -u jishi jishi bridge renew-log --data.dir /var/lib/jishi-bridge\n  systemctl start jishi-bridge",
	}
	c := withSettingsNamed(cmd, "spool.dir", "log.level", "log.format")
	cmd.Flags().StringArrayVar(&rescued, "from", nil, "directory with a log that was rescued from another disk; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error {
			logger, err := obs.NewLogger(cmd.ErrOrStderr(), c.String("log.level"), c.String("log.format"))
			if err != nil {
				return usageError{err}
			}
			return renewLog(ctx, c.path("spool.dir", "log"), rescued, logger, cmd.OutOrStdout())
		})
	}
	return cmd
}

const (
	renewedText = `日志已更新 log renewed: %s
  纪元 epoch %016x → %016x
  带走 carried over: %d 条记录 records，%d 个缺失编号 lost numbers
  旧日志 old log: %s
    留存期满后可删除 delete it when its audit period is over
现在启动网桥 now start the bridge
`
	renewalFinishedText = `上次中断的更新已完成 the renewal that was interrupted is finished: %s
  纪元 epoch %016x
  旧日志 old log: %s
现在启动网桥 now start the bridge
`
)

// renewLog renews the log in a directory and says what became of it.
func renewLog(ctx context.Context, dir string, rescued []string, logger *slog.Logger, w io.Writer) error {
	if err := checkOwner(dir); err != nil {
		return err
	}
	for _, from := range rescued {
		if same, err := samePath(from, dir); err != nil || same {
			return usageError{errors.Join(err, fmt.Errorf("--from %s: want another directory than the log's own, %s", from, dir))}
		}
	}
	r, err := spool.Renew(ctx, dir, spool.Options{Logger: logger}, rescued...)
	switch {
	case errors.Is(err, spool.ErrLocked):
		return fmt.Errorf("网桥正在运行，先停止它: the bridge is running, stop it first (systemctl stop jishi-bridge): %w", err)
	case errors.Is(err, spool.ErrNoLog):
		return fmt.Errorf("没有日志，请核对 --data.dir 或 --spool.dir: there is no log, look at --data.dir or --spool.dir: %w", err)
	case err != nil:
		return err
	case r.Finished:
		_, err = fmt.Fprintf(w, renewalFinishedText, dir, r.Epoch, r.Aside)
		return err
	}
	_, err = fmt.Fprintf(w, renewedText, dir, r.OldEpoch, r.Epoch, r.Records, r.Lost, r.Aside)
	return err
}

func samePath(a, b string) (bool, error) {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return absA == absB, errors.Join(errA, errB)
}
