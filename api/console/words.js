// The board's words, and how it writes numbers and times. Chinese is the language of the people who work with it.

const words = {
  zh: {
    title: "设备看板", base: "实训基地", other: "English", otherLang: "en", health: "服务自检",
    running: "运行", idle: "待机", off: "关机", fault: "故障", unknown: "未知",
    since: (clock) => `${clock} 起`, sinceMidnight: "零点前已开始", today: "今日", for: (time) => `已 ${time}`,
    ran: "运行", opening: "开放", rate: "使用率", coverage: "数据完整率", few: "数据不足", notOpen: "今日尚无开放时间",
    below: (have, want) => `数据完整率 ${have}，低于 ${want}，不给出使用率`,
    last: "末次数据", never: "从未收到数据", ago: (time) => `${time}前`, justNow: "刚刚",
    all: "全部", only: (state) => `只看${state}`, empty: "该基地尚未登记设备。请在登记文件中添加设备。",
    noBase: "尚未登记任何基地。", noMatch: "没有处于此状态的设备。",
    lost: "无法连接服务，正在重试。下面是断开前的状态，不是现在的。", lostFirst: "无法连接服务，正在重试…",
    updated: (time) => `${time}更新`, loading: "正在读取…",
    about: "“未知”表示没有证据，不等于关机。使用率 ＝ 运行时间 ÷ 开放时间；数据完整率低于门槛时不给出。时间为北京时间。",
    close: "关闭", previous: "前一天", next: "后一天", day: "日期", timeline: "状态时间线", openingHours: "开放时间",
    from: "开始", to: "结束", length: "时长", state: "状态", word: "控制器信号", showAll: (n) => `显示全部 ${n} 段`, now: "现在",
    estimate: { running: "电表推断在运行，不计入", off: "电表推断已关机" }, device: "数据来源", values: "末次读数", asset: "设备编号",
    notes: {
      no_signal: "该设备没有电信号可测，不计使用时间", not_calibrated: "尚未标定功率阈值，状态未知。请运行 jishi calibrate",
      not_bound: "没有采集终端绑定到该设备", calendar_unpublished: "该年放假安排未发布，开放时间不全", no_opening_hours: "未登记开放时间",
      not_in_service: "该时段设备未投入使用",
    },
    logIn: "登录", account: "账号", password: "口令", go: "确定", leave: "退出", changePassword: "修改口令", oldPassword: "一次性口令",
    newPassword: "新口令", again: "再输入一次", oneTime: "一次性口令须先修改。新口令 12 至 128 个字符。", differ: "两次输入的新口令不一致。",
    noCookie: "浏览器没有保存登录状态：请以 https 访问，并允许 Cookie。",
    duration: { h: " 小时", m: " 分", s: " 秒", join: " " },
  },
  en: {
    title: "equipment board", base: "Training base", other: "中文", otherLang: "zh-CN", health: "self-check",
    running: "Running", idle: "Idle", off: "Off", fault: "Fault", unknown: "Unknown",
    since: (clock) => `since ${clock}`, sinceMidnight: "since before midnight", today: "today", for: (time) => `for ${time}`,
    ran: "ran", opening: "open", rate: "rate", coverage: "coverage", few: "too little data", notOpen: "not open yet today",
    below: (have, want) => `coverage ${have} is below ${want}: rate withheld`,
    last: "last heard", never: "never heard of", ago: (time) => `${time} ago`, justNow: "just now",
    all: "All", only: (state) => `only ${state.toLowerCase()}`, empty: "No equipment is registered at this base. Add it to the registry files.",
    noBase: "No base is registered.", noMatch: "No machine is in this state.",
    lost: "The service does not answer; trying again. Below is what was so before, not what is now.", lostFirst: "The service does not answer; trying again…",
    updated: (time) => `updated ${time}`, loading: "Loading…",
    about: "“Unknown” means no evidence, not off. Rate = running time ÷ opening hours; withheld below the floor of coverage. Times are Beijing time.",
    close: "Close", previous: "Previous day", next: "Next day", day: "Day", timeline: "Timeline", openingHours: "Opening hours",
    from: "From", to: "To", length: "Length", state: "State", word: "Controller", showAll: (n) => `Show all ${n} stretches`, now: "now",
    estimate: { running: "meter suggests running; not credited", off: "meter suggests off" }, device: "Source", values: "Last reading", asset: "Equipment id",
    notes: {
      no_signal: "leaves no electrical trace; use is not measured", not_calibrated: "no power thresholds yet, so its state is unknown: run jishi calibrate",
      not_bound: "no device is bound to it", calendar_unpublished: "the year's holidays are not published; opening hours are incomplete",
      no_opening_hours: "no opening hours are registered", not_in_service: "not in service then",
    },
    logIn: "Log in", account: "Account", password: "Password", go: "OK", leave: "Log out", changePassword: "Change the password", oldPassword: "One-time password",
    newPassword: "New password", again: "Once more", oneTime: "The one-time password has to be changed first. A new one has 12 to 128 characters.", differ: "The new passwords are not the same.",
    noCookie: "The browser has not kept the log-in: use https, and allow cookies.",
    duration: { h: " h", m: " min", s: " s", join: " " },
  },
};

const stored = () => { try { return localStorage.getItem("language"); } catch { return null; } };
let language = stored() === "en" ? "en" : "zh";

export const states = ["running", "idle", "off", "fault", "unknown"];
export const say = (key) => words[language][key];
export const nameOf = (x) => (language === "en" && x.name_en) || x.name;
export const htmlLanguage = () => (language === "en" ? "en" : "zh-CN");

export function toggleLanguage() {
  language = language === "en" ? "zh" : "en";
  try { localStorage.setItem("language", language); } catch { /* a browser that keeps nothing asks again next time */ }
}

// Beijing time, whatever the browser's zone is.
const zone = { timeZone: "Asia/Shanghai", hourCycle: "h23" };
const minuteClock = new Intl.DateTimeFormat("en-GB", { ...zone, hour: "2-digit", minute: "2-digit" });
const secondClock = new Intl.DateTimeFormat("en-GB", { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-CA", { timeZone: "Asia/Shanghai", year: "numeric", month: "2-digit", day: "2-digit" });

export const clock = (t) => minuteClock.format(new Date(t));
export const clockSeconds = (t) => secondClock.format(new Date(t));
export const dayOf = (t) => dayFormat.format(new Date(t));
export const dayStart = (day) => Date.parse(`${day}T00:00:00+08:00`);

export function duration(seconds) {
  const unit = say("duration");
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole}${unit.s}`;
  const h = Math.floor(whole / 3600), m = Math.floor((whole % 3600) / 60);
  if (h === 0) return `${m}${unit.m}`;
  return m === 0 ? `${h}${unit.h}` : `${h}${unit.h}${unit.join}${m}${unit.m}`;
}

export const ago = (seconds) => (seconds < 2 ? say("justNow") : say("ago")(duration(seconds)));

// Rounded down, so that a coverage just under the floor never reads as the floor.
export const percent = (v) => `${(Math.floor(v * 1000 + 1e-9) / 10).toFixed(1)}%`;

const units = {
  power_w: ["kW", 0.001, 2], energy_wh: ["kWh", 0.001, 1], voltage_v: ["V", 1, 0], current_a: ["A", 1, 2],
  speed_rpm: ["r/min", 1, 0], temperature_c: ["°C", 1, 1], count: ["", 1, 0],
};

export function quantity(name, v) {
  if (name === "power_w" && Math.abs(v) < 1000) return `${v.toFixed(0)} W`;
  const [unit, factor, digits] = units[name] || [name.replace(/^.*_/, ""), 1, 2];
  return `${(v * factor).toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits })} ${unit}`.trim();
}
