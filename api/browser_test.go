package api_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// browser is one tab of a real Chromium with what it said on its console.
type browser struct {
	ctx  context.Context //nolint:containedctx // chromedp's tab is its context
	mu   sync.Mutex      // guards said
	said []string        // warnings, errors, exceptions, violations
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("skipped: no Chromium here; .ci/setup installs it")
	}
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()),
	}
	for _, off := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		flags = append(flags, chromedp.Flag(off, true))
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, closeTab := chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	b := &browser{ctx: ctx}
	var listening sync.WaitGroup
	console := chromedp.Console(ctx)
	listening.Go(func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleWarning || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException {
				b.mu.Lock()
				b.said = append(b.said, fmt.Sprintf("%s: %s (%s)", m.Type, m.Text, m.URL))
				b.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
		closeTab()
		stop()
		listening.Wait()
	})
	return b
}

func (b *browser) console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.said)
}

func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// wait waits until the page's expression is true.
func (b *browser) wait(t *testing.T, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	poll := chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(50*time.Millisecond))
	err := chromedp.Do(ctx, poll)
	for err != nil && ctx.Err() == nil {
		err = chromedp.Do(ctx, poll) // a poll does not survive a page that is replaced under it
	}
	if err != nil {
		t.Fatalf("never true: %s: %v\nthe page says: %s\nits console: %q", expression, err, look[string](t, b, "document.body.innerText"), b.console())
	}
}

// look evaluates an expression in the page.
func look[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (b *browser) size(t *testing.T, width, height int64) {
	t.Helper()
	var options []chromedp.EmulateViewportOption
	if width < 500 {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	b.do(t, chromedp.EmulateViewport(width, height, options...))
}

// withEmptyBase adds a base without machines.
func withEmptyBase(t *testing.T) func(*api.Options) {
	return func(o *api.Options) {
		empty := workshopBase("b3")
		empty.Name, empty.Equipment, empty.Devices, empty.Bindings = "空基地", nil, nil, nil
		reg, err := registry.New(workshopBase("b1"), workshopBase("b2"), empty)
		if err != nil {
			t.Fatal(err)
		}
		o.Registry = reg
	}
}

const cards = `[...document.querySelectorAll(".machine:not([hidden])")]`

// TestBoardInABrowser is one visit: its steps follow each other in one tab.
func TestBoardInABrowser(t *testing.T) {
	r := newRig(t, withEmptyBase(t)).fill(t, "b1").serve(t)
	const nasty = `<img src=x onerror="window.hacked=1">` + "\x07\u202e"
	r.write(t, "b2", telemetry.Record{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "ctl-1", Channel: "exec",
		EventMs: at("11:00:00").UnixMilli(), State: nasty,
	})
	b := openBrowser(t)
	b.size(t, 1280, 900)
	b.do(t, chromedp.Navigate(r.url+"/"))

	t.Run("machines in Chinese, with state words", func(t *testing.T) {
		b.wait(t, cards+`.length === 4`)
		want := "未知 钳工台|未知 数控铣床|待机 普通车床|未知 <script>alert(1)</script>\"'&"
		got := look[string](t, b, cards+`.map(c => c.querySelector(".badge").textContent + " " + c.querySelector("b").textContent).join("|")`)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		text := look[string](t, b, "document.body.innerText")
		for _, want := range []string{"机加工车间", "第一公共实训基地", "使用率 25.0%", "数据完整率 95.7%", "运行 1 小时 ÷ 开放 4 小时", "数据完整率 75.0%，低于 90.0%", "尚未标定", "20 W", "全部 4", "未知 3", "刚刚更新"} {
			if !strings.Contains(text, want) {
				t.Errorf("the board does not say %q:\n%s", want, text)
			}
		}
		if look[string](t, b, "document.documentElement.lang") != "zh-CN" {
			t.Error("the page does not say that it is Chinese")
		}
	})
	t.Run("the legend is a filter", func(t *testing.T) {
		b.do(t, chromedp.Click(`.chip.idle`))
		b.wait(t, cards+`.length === 1`)
		b.do(t, chromedp.Click(`.chip.all`))
		b.wait(t, cards+`.length === 4`)
	})
	t.Run("English is remembered", func(t *testing.T) {
		b.do(t, chromedp.Click("#language"))
		b.wait(t, `document.body.innerText.includes("Machine shop") && document.querySelector(".badge").textContent === "Unknown"`)
		b.do(t, chromedp.Navigate("about:blank"), chromedp.Navigate(r.url+"/"))
		b.wait(t, cards+`.length === 4 && document.documentElement.lang === "en" && document.querySelector(".badge").textContent === "Unknown"`)
		b.do(t, chromedp.Click("#language"))
		b.wait(t, `document.querySelector(".badge").textContent === "未知"`)
	})
	t.Run("a machine's timeline", func(t *testing.T) {
		b.do(t, chromedp.Click(`[data-equipment=cnc-1]`))
		b.wait(t, `document.querySelector("#story[open] .timeline .band.running")`)
		text := look[string](t, b, `document.querySelector("#story").innerText`)
		for _, want := range []string{"数控铣床", "2026-03-02", "数据不足", "1 小时 30 分", "9 小时", "ACTIVE", "开放时间", "06:00"} {
			if !strings.Contains(text, want) {
				t.Errorf("the story does not say %q:\n%s", want, text)
			}
		}
		// Drawn to scale: running from half past eight to ten is a sixteenth of the day.
		share := look[float64](t, b, `(() => { const s = document.querySelector(".timeline"); return document.querySelector(".timeline .band.running").getBBox().width / s.viewBox.baseVal.width })()`)
		if share < 0.0615 || share > 0.0635 {
			t.Errorf("running takes %.4f of the day's width, want 0.0625", share)
		}
		if n := look[int](t, b, `document.querySelectorAll(".timeline .tick").length`); n != 25 {
			t.Errorf("%d hour ticks, want 25", n)
		}
		b.do(t, chromedp.Click("#story-previous"))
		b.wait(t, `document.querySelector("#story").innerText.includes("2026-03-01") && document.querySelector("#story .timeline") && !document.querySelector(".timeline .band.running")`)
		b.do(t, chromedp.NavigateBack())
		b.wait(t, `!document.querySelector("#story[open]")`)
		b.do(t, chromedp.Click(`[data-equipment=lathe-1]`))
		b.wait(t, `document.querySelector("#story[open] .timeline")`)
		b.do(t, chromedp.Click("#story-close"))
		b.wait(t, `!document.querySelector("#story[open]") && location.hash === ""`)
	})
	t.Run("words from outside are only words", func(t *testing.T) {
		b.do(t, chromedp.Navigate(r.url+"/?base=b2#cnc-1"))
		b.wait(t, `document.querySelector("#story[open] table")`)
		if !look[bool](t, b, `document.querySelector("#story").innerText.includes("onerror") && document.images.length === 0 && window.hacked === undefined`) {
			t.Error("what a device said became a part of the page")
		}
	})
	t.Run("a phone shows all without scrolling sideways", func(t *testing.T) {
		b.size(t, 390, 844)
		for _, address := range []string{"/?base=b1", "/?base=b2#cnc-1", "/?base=b1#lathe-1"} {
			b.do(t, chromedp.Navigate("about:blank"), chromedp.Navigate(r.url+address))
			b.wait(t, cards+`.length === 4`)
			if strings.Contains(address, "#") {
				b.wait(t, `document.querySelector("#story[open] .timeline")`)
			}
			if over := look[int](t, b, `Math.max(document.documentElement.scrollWidth - document.documentElement.clientWidth, document.querySelector("#story").scrollWidth - document.querySelector("#story").clientWidth, ...[...document.querySelectorAll(".machine, .list")].map(e => e.scrollWidth - e.clientWidth))`); over > 0 {
				t.Errorf("%s: %d px too wide", address, over)
			}
			if small := look[int](t, b, `[...document.querySelectorAll("button, select")].filter(e => e.offsetParent && e.offsetHeight < 44).length`); small > 0 {
				t.Errorf("%s: %d targets are too small for a finger", address, small)
			}
		}
		b.size(t, 1280, 900)
	})
	t.Run("contrast", func(t *testing.T) {
		for _, theme := range []string{"light", "dark"} {
			b.do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
				})
				return err
			}))
			if bad := look[[]string](t, b, lowContrast); len(bad) > 0 {
				t.Errorf("%s: under 4.5 to 1: %v", theme, bad)
			}
		}
	})
	t.Run("an empty base says what to do", func(t *testing.T) {
		b.do(t, chromedp.Navigate(r.url+"/?base=b3"))
		b.wait(t, `document.querySelector("#board").innerText.includes("尚未登记设备")`)
		b.do(t, chromedp.SetValue("#base", "b1"), chromedp.Evaluate[chromedp.Void](`document.querySelector("#base").dispatchEvent(new Event("change"))`))
		b.wait(t, cards+`.length === 4 && location.search === "?base=b1"`)
	})
	t.Run("no complaint so far", func(t *testing.T) {
		if said := b.console(); len(said) > 0 {
			t.Errorf("the console says %q", said)
		}
		// That would have been seen: a script in the page is refused, and the refusal is on the console.
		b.do(t, chromedp.Evaluate[chromedp.Void](`{ const s = document.createElement("script"); s.textContent = "window.hacked = 1"; document.body.append(s) }`))
		if look[bool](t, b, `window.hacked === 1`) {
			t.Error("the page may run scripts that are not files of the service")
		}
		if said := strings.Join(b.waitConsole(t), " "); !strings.Contains(said, "Content Security Policy") {
			t.Errorf("the refusal was not seen: %s", said)
		}
	})
	restart := func() { r.again(t) } // for as long as the visit lasts
	t.Run("the service goes away and comes back", func(t *testing.T) {
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		b.wait(t, `!document.querySelector("#problem").hidden && document.querySelector("#problem").innerText.includes("无法连接服务") && document.body.classList.contains("stale")`)
		if n := look[int](t, b, cards+`.length`); n != 4 {
			t.Errorf("%d machines: what was known before must stay in sight, marked as old", n)
		}
		restart()
		b.wait(t, `document.querySelector("#problem").hidden && !document.body.classList.contains("stale")`)
	})
	t.Run("the store goes away and comes back", func(t *testing.T) {
		r.now.Add(time.Minute.Milliseconds())
		r.store.fail(errDown)
		b.wait(t, `document.querySelector("#problem").innerText.includes("证据库暂不可用")`)
		r.store.failed.Store(nil)
		b.wait(t, `document.querySelector("#problem").hidden`)
	})
}

// waitConsole waits until the console has said something.
func (b *browser) waitConsole(t *testing.T) []string {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if said := b.console(); len(said) > 0 {
			return said
		}
		look[bool](t, b, "true")
	}
	return nil
}

// lowContrast lists the pairs of text and ground under the ratio of WCAG 2 AA.
const lowContrast = `(() => {
  const rgb = (c) => c.match(/[\d.]+/g).slice(0, 3).map(Number);
  const light = (c) => rgb(c).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const probe = document.body.appendChild(document.createElement("i"));
  const color = (name) => { probe.style.color = "var(--" + name + ")"; return getComputedStyle(probe).color; };
  const pairs = [["ink", "paper"], ["ink", "card"], ["soft", "paper"], ["soft", "card"], ["on-unknown", "unknown"], ["on-unknown", "unknown-2"], ["fault", "paper"],
    ...["running", "idle", "off", "fault"].map(s => ["on-" + s, s])];
  const bad = pairs.filter(([a, b]) => ratio(color(a), color(b)) < 4.5).map(([a, b]) => a + " on " + b + " " + ratio(color(a), color(b)).toFixed(2));
  // What is drawn and not read needs 3 to 1 against the card.
  for (const s of ["running", "band-idle", "band-off", "line-unknown", "fault", "hours"]) if (ratio(color(s), color("card")) < 3) bad.push(s + " on card " + ratio(color(s), color("card")).toFixed(2));
  probe.remove();
  return bad;
})()`
