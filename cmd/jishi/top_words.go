package main

// topWords are the board's texts in one language.
type topWords struct {
	product, connecting, empty, nothing        string
	machines, asOf, sorted, filtered, shown    string // of the lines above the table
	noAnswer, retry, picture, old, neverHeard  string
	ago, lastWord, notes, device, filterPrompt string
	help, helpSort                             string
	states                                     map[string]string
	columns                                    map[topColumnID]string
	sorts                                      map[topSort]string
	reversed                                   string
}

func topWordsIn(lang string) *topWords {
	if lang == langEN {
		return topWordsEN()
	}
	return topWordsZH()
}

func topWordsZH() *topWords {
	return &topWords{
		product: "机时", connecting: "正在连接 ", empty: "该基地尚未登记设备：在登记数据中添加设备与采集终端绑定（见 docs/registry.md）。",
		nothing: "没有符合筛选条件的设备。Esc 清除筛选。", machines: "台", asOf: "截至 ", sorted: "排序 ", filtered: "筛选 ", shown: "显示 ",
		noAnswer: "服务器无应答", retry: "每 %s 重试", picture: "画面截至 %s", old: "已 %s", neverHeard: "从未",
		ago: "前", lastWord: "末次读数", notes: "说明", device: "终端", filterPrompt: "筛选: ",
		help:     "q退出 j/k移动 /筛选 L英文",
		helpSort: " 排序: i编号 n名称 s状态 h运行 r使用率 l最近 w功率",
		states:   map[string]string{"running": "运行", "idle": "待机", "off": "关机", "fault": "故障", "unknown": "未知"},
		columns: map[topColumnID]string{
			colState: "状态", colName: "设备", colSince: "自", colRunning: "运行", colIdle: "待机", colUnknown: "未知", colRate: "使用率",
			colCoverage: "完整率", colHeard: "最近", colReading: "读数", colID: "编号", colFor: "已持续", colWorkshop: "实训室",
			colWord: "控制器", colDevice: "采集终端", colNotes: "说明",
		},
		sorts: map[topSort]string{
			sortID: "编号", sortName: "名称", sortState: "状态", sortRunning: "今日运行", sortRate: "使用率", sortHeard: "最近", sortPower: "功率",
		},
		reversed: "（倒序）",
	}
}

func topWordsEN() *topWords {
	return &topWords{
		product: "jishi", connecting: "connecting to ",
		empty:    "This base has no machines yet: add equipment, devices and bindings to the registry (docs/registry.md).",
		nothing:  "No machine matches the filter. Esc clears it.",
		machines: "machines", asOf: "as of ", sorted: "sorted by ", filtered: "filter ", shown: "shown ",
		noAnswer: "server does not answer", retry: "retrying every %s", picture: "picture is of %s", old: "%s old", neverHeard: "never",
		ago: "", lastWord: "last word", notes: "notes", device: "device", filterPrompt: "filter: ",
		help:     "q quit j/k move /filter L中文",
		helpSort: " sort: i id n name s state h run r rate l heard w W",
		states:   map[string]string{"running": "running", "idle": "idle", "off": "off", "fault": "fault", "unknown": "unknown"},
		columns: map[topColumnID]string{
			colState: "state", colName: "machine", colSince: "since", colRunning: "run", colIdle: "idle", colUnknown: "unknown", colRate: "rate",
			colCoverage: "cover", colHeard: "heard", colReading: "reading", colID: "id", colFor: "for", colWorkshop: "workshop",
			colWord: "controller", colDevice: "device", colNotes: "notes",
		},
		sorts: map[topSort]string{
			sortID: "id", sortName: "name", sortState: "state", sortRunning: "running today", sortRate: "rate", sortHeard: "last heard", sortPower: "power",
		},
		reversed: " (reversed)",
	}
}
