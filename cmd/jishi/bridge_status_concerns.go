package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// severity says how much a concern needs a person.
type severity string

const (
	critical severity = "critical" // evidence is being lost or will be soon: now
	attend   severity = "warning"  // today
	notice   severity = "notice"   // good to know; nothing to be done
)

// concern is one thing that an operator should know of, in both languages. Its texts hold nothing that a device chose.
type concern struct {
	// Code is the name of the alert of the same matter, and with it of its section in docs/runbook.md.
	Code     string   `json:"code"`
	Severity severity `json:"severity"`
	Zh       string   `json:"zh"`
	En       string   `json:"en"`
	DoZh     string   `json:"do_zh"`
	DoEn     string   `json:"do_en"`
}

// The bounds beyond which something is a concern. The alert rules in deploy/alerts have the same.
const (
	uplinkDownMs   = 15 * 60_000
	stalledMs      = 30 * 60_000
	deviceClockMs  = 2 * 60_000
	cityClockMs    = 60_000
	recentMs       = 60 * 60_000
	quietMs        = 30 * 60_000
	manyRefusals   = 20
	fillingUpShare = 5 // the log is filling up below one fifth of its bound
)

// needsPerson reports whether anything is to be done.
func needsPerson(concerns []concern) bool {
	return slices.ContainsFunc(concerns, func(c concern) bool { return c.Severity != notice })
}

func notRunning(why error) concern {
	return concern{
		"JishiBridgeDown", critical,
		"网桥未应答，以下取自日志文件：" + why.Error(), "no bridge answers, what follows is from the log's files: " + why.Error(),
		"确认网桥在运行（systemctl status jishi-bridge），并设置了 admin.addr", "is the bridge running (systemctl status jishi-bridge), and is admin.addr set?",
	}
}

// concernsOf says what of a status is a concern, the worst first.
func concernsOf(s *edgeStatus) []concern {
	out := []concern{}
	for _, of := range [][]concern{
		diskConcerns(&s.Disk), refusedConcerns(s.Uplink.Refused), uplinkConcerns(s), lossConcerns(s),
		deviceConcerns(s), intakeConcerns(s), brokerConcerns(s),
	} {
		out = append(out, of...)
	}
	rank := func(c concern) int { return slices.Index([]severity{critical, attend, notice}, c.Severity) }
	slices.SortStableFunc(out, func(a, b concern) int { return rank(a) - rank(b) })
	return out
}

func diskConcerns(d *bridge.DiskStatus) []concern {
	var out []concern
	if d.Failed != "" {
		out = append(out, concern{
			"JishiLogFailed", critical, "日志写入失败：" + d.Failed, "the log failed: " + d.Failed,
			"检查磁盘（dmesg、smartctl），然后重启网桥", "check the disk (dmesg, smartctl), then restart the bridge",
		})
	}
	switch {
	case d.FullSinceMs > 0:
		out = append(out, concern{
			"JishiLogFull", critical, "日志已满，设备消息不被确认", "the log is full, devices are not acknowledged",
			"恢复到市级的连接，或腾出磁盘 / 调大 spool.max-bytes", "get the city back, or free disk space / raise spool.max-bytes",
		})
	case d.RoomBytes >= 0 && d.MaxBytes > 0 && d.RoomBytes < d.MaxBytes/fillingUpShare:
		out = append(out, concern{
			"JishiLogFillingUp", attend, "日志将满，还能写入 " + bytesText(d.RoomBytes), "the log is filling up, room for " + bytesText(d.RoomBytes),
			"恢复到市级的连接，或腾出磁盘 / 调大 spool.max-bytes", "get the city back, or free disk space / raise spool.max-bytes",
		})
	}
	return out
}

// refusedConcerns are about frames that are out and refused; what was refused once and is stored now is past.
func refusedConcerns(refused []bridge.RefusedStatus) []concern {
	var out []concern
	for _, r := range refused {
		if r.FramesOut == 0 {
			continue
		}
		zh, en := refusalToDo(r.Reason)
		c := concern{
			"JishiFramesRefused", critical,
			fmt.Sprintf("市级拒收 %d 帧（%d 条记录）：%s", r.FramesOut, r.RecordsOut, r.Reason),
			fmt.Sprintf("the city refuses %d frames (%d records): %s", r.FramesOut, r.RecordsOut, r.Reason), zh, en,
		}
		if r.Reason == frame.RefusedForked {
			c.Code = "JishiLogForked"
		}
		out = append(out, c)
	}
	return out
}

// refusalToDo is what a person does about a refusal.
func refusalToDo(reason string) (zh, en string) {
	switch reason {
	case frame.RefusedUnknownBridge:
		return "市级尚未登记此网桥或其密钥已失效：jishi bridge enroll，再由市级 jishi city approve",
			"the city does not know this bridge, or its key has ended: jishi bridge enroll, then jishi city approve in the city"
	case frame.RefusedBadSignature:
		return "网桥密钥与市级登记的不符：核对 bridge.key 的指纹与登记数据",
			"the bridge's key is not the one enrolled: compare the fingerprint of bridge.key with the registry"
	case frame.RefusedForked:
		return "日志曾由旧备份恢复：停止网桥，运行 jishi bridge renew-log，再启动",
			"the log was restored from an old copy: stop the bridge, run jishi bridge renew-log, start it again"
	case frame.RefusedBadChain, frame.RefusedMalformed:
		return "日志内容被改动或程序有误：jishi frames --verify 检查日志目录并上报",
			"the log was altered or a program is wrong: run jishi frames --verify on the log's directory and report it"
	}
	return "市级给出了本版本不认识的理由：升级网桥", "the city gives a reason that this version does not know: upgrade the bridge"
}

func uplinkConcerns(s *edgeStatus) []concern {
	if s.ReadFrom != "bridge" {
		return nil
	}
	var out []concern
	u := &s.Uplink
	waiting := s.Queue.OldestMs > 0 && s.ReceiveMs-s.Queue.OldestMs > stalledMs
	switch {
	case !u.Connected && s.NowMs-u.SinceMs > uplinkDownMs:
		out = append(out, concern{
			"JishiUplinkDown", attend, "到市级的连接已中断 " + spanText(s.NowMs-u.SinceMs, langZH), "no connection to the city for " + spanText(s.NowMs-u.SinceMs, langEN),
			"检查网络、uplink.url、用户名与密码；记录保存在磁盘上", "check the network, uplink.url, user name and password; records stay on disk",
		})
	case u.Connected && waiting && s.NowMs-max(u.LastAckMs, s.StartedMs) > stalledMs/3:
		out = append(out, concern{
			"JishiUplinkStalled", attend, "已连接，但市级不确认存储", "connected, and the city does not say that it stores",
			"请市级检查采集进程与证据库", "ask the city to look at its collector and evidence store",
		})
	}
	if off := u.CityOffsetMs; u.LastAckMs > 0 && !s.Replayed && max(off, -off) > cityClockMs {
		out = append(out, concern{
			"JishiBridgeClockOff", attend, "本机时钟与市级相差 " + spanText(max(off, -off), langZH), "this machine's clock and the city's differ by " + spanText(max(off, -off), langEN),
			"检查时间同步（timedatectl）", "check the time synchronisation (timedatectl)",
		})
	}
	return out
}

func lossConcerns(s *edgeStatus) []concern {
	var out []concern
	for _, l := range s.Losses.ByCause {
		c := concern{
			"JishiRecordsLost", notice, fmt.Sprintf("%d 条记录丢失（%s）", l.Records, l.Cause), fmt.Sprintf("%d records are lost (%s)", l.Records, l.Cause),
			"检查磁盘；缺失区间会上报市级", "check the disk; the city is told of the range",
		}
		switch l.Cause {
		case "torn":
			continue // no device was acknowledged for it
		case "dropped":
			c.Code, c.DoZh, c.DoEn = "JishiRecordsDropped", "扩大磁盘预算，或关闭 spool.drop-oldest", "give the log more disk, or turn spool.drop-oldest off"
		}
		if l.Untold > 0 {
			c.Severity = attend
		}
		out = append(out, c)
	}
	if n := s.Queue.Unsendable; n > 0 {
		out = append(out, concern{
			"JishiRecordsLost", attend, fmt.Sprintf("%d 条记录无法装帧，留在基地", n), fmt.Sprintf("%d records cannot be sent and stay at the base", n),
			"jishi frames --verify 检查日志目录并上报", "run jishi frames --verify on the log's directory and report it",
		})
	}
	return out
}

func deviceConcerns(s *edgeStatus) []concern {
	var silent, offline, wrong int
	for i := range s.Devices {
		d := &s.Devices[i]
		switch {
		case d.State == bridge.DeviceSilent:
			silent++
		case d.State == bridge.DeviceOffline:
			offline++
		case d.Clocked && max(d.OffsetMs, -d.OffsetMs) > deviceClockMs:
			wrong++
		}
	}
	var out []concern
	if silent > 0 {
		out = append(out, concern{
			"JishiDevicesSilent", attend, fmt.Sprintf("%d 台终端超时无消息", silent), fmt.Sprintf("%d devices are silent for longer than they may be", silent),
			"检查其供电、网络与 MQTT 设置", "check their power, network and MQTT settings",
		})
	}
	if offline > 0 {
		out = append(out, concern{
			"JishiDevicesSilent", notice, fmt.Sprintf("%d 台终端已离线", offline), fmt.Sprintf("%d devices are offline", offline),
			"下班断电属正常", "normal where power is cut after work",
		})
	}
	if wrong > 0 {
		out = append(out, concern{
			"JishiDeviceClockOff", attend, fmt.Sprintf("%d 台终端时钟偏差超过 2 分钟", wrong), fmt.Sprintf("the clocks of %d devices are off by more than 2 minutes", wrong),
			"设置终端的 NTP 与时区", "set NTP and time zone on the devices",
		})
	}
	return out
}

func intakeConcerns(s *edgeStatus) []concern {
	var out []concern
	if last := max(s.Intake.LastMs, s.StartedMs); s.ReadFrom == "bridge" && !s.Replayed && s.NowMs-last > quietMs {
		out = append(out, concern{
			"JishiNoMessages", attend, "没有任何设备消息已 " + spanText(s.NowMs-last, langZH), "no device has said anything for " + spanText(s.NowMs-last, langEN),
			"检查基地网络与 MQTT 服务（broker.addr）", "check the base's network and broker (broker.addr)",
		})
	}
	unread := int64(0)
	for _, q := range s.Quarantine.Recent {
		if s.ReceiveMs-q.LastMs <= recentMs {
			unread += q.Count
		}
	}
	if n := s.Quarantine.ByReason[telemetry.ReasonNoCardKey]; n > 0 {
		out = append(out, concern{
			"JishiQuarantine", attend, fmt.Sprintf("%d 次刷卡因无卡密钥而未记录", n), fmt.Sprintf("%d taps are not taken: there is no card key", n),
			"向市级申请卡密钥：jishi bridge enroll、jishi bridge accept", "get the card key from the city: jishi bridge enroll, jishi bridge accept",
		})
	}
	if unread > 0 {
		out = append(out, concern{
			"JishiQuarantine", notice, fmt.Sprintf("最近一小时有无法识别的消息（%d 条）", unread), fmt.Sprintf("messages of the last hour could not be read (%d)", unread),
			"看下方的主题与原因；可用 jishi map 增加映射", "see topics and reasons below; jishi map can teach a new device",
		})
	}
	return out
}

func brokerConcerns(s *edgeStatus) []concern {
	if s.Broker == nil {
		return nil
	}
	count, proven := int64(0), int64(0)
	for _, r := range s.Broker.Refusals {
		if s.NowMs-r.LastMs > recentMs {
			continue
		}
		count += r.Count
		if r.Proven {
			proven += r.Count
		}
	}
	if count == 0 {
		return nil
	}
	c := concern{
		"JishiBrokerRefusals", notice, fmt.Sprintf("最近一小时 MQTT 服务拒绝了 %d 次", count), fmt.Sprintf("the broker refused %d times lately", count),
		"看下方是谁、做了什么；核对 jishi device list", "see below who tried what; compare with jishi device list",
	}
	if count >= manyRefusals || proven > 0 {
		c.Severity = attend
	}
	return []concern{c}
}

// spanText is a duration in the two largest units.
func spanText(ms int64, lang string) string {
	d := time.Duration(ms) * time.Millisecond
	units := []struct {
		size   time.Duration
		zh, en string
	}{{24 * time.Hour, "天", "d"}, {time.Hour, "时", "h"}, {time.Minute, "分", "min"}, {time.Second, "秒", "s"}}
	var parts []string
	for i, u := range units {
		if n := d / u.size; n > 0 || i == len(units)-1 && len(parts) == 0 {
			name := u.zh
			if lang == langEN {
				name = u.en
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
			d -= n * u.size
		}
		if len(parts) == 2 {
			break
		}
	}
	return strings.Join(parts, " ")
}

// bytesText is a size in its largest unit of 1024.
func bytesText(n int64) string {
	if n < 0 {
		return "?"
	}
	const unit = 1024
	size, suffix := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size < unit {
			break
		}
		size, suffix = size/unit, next
	}
	if suffix == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, suffix)
}
