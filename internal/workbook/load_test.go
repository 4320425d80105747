package workbook_test

import (
	"fmt"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// many is a workbook of so many trainees, each in a class and with a card.
func many(t testing.TB, trainees int) []byte {
	t.Helper()
	people := grid{{"人员编号", "姓名", "身份证号", "手机", "人员类别"}}
	cards, enrolments := grid{{"卡号", "人员编号", "起始时间"}}, grid{{"班次编号", "人员编号", "起始日期"}}
	for i := range trainees {
		id := fmt.Sprintf("S%06d", i)
		people = append(people, []any{id, "张三", "", fmt.Sprintf("139%08d", i), "退役军人"})
		cards = append(cards, []any{fmt.Sprintf("04%08X", i), id, "2026-03-01"})
		enrolments = append(enrolments, []any{"A", id, "2026-03-01"})
	}
	return xlsx(t, named{"学员", people}, named{"卡", cards}, named{"报名", enrolments})
}

// TestManyRows: a workbook of thousands of rows says how far it is, and importing it again changes nothing. How long 50,000
// rows take, BenchmarkImport says.
func TestManyRows(t *testing.T) {
	t.Parallel()
	const trainees = 700
	o := options()
	o.Base = "b1"
	calls, last, lastTotal := 0, 0, 0
	o.Progress = func(done, total int) {
		if calls++; total > 0 && (done > total || total == lastTotal && done < last) {
			t.Errorf("progress goes from %d to %d of %d", last, done, total)
		}
		last, lastTotal = done, total
	}
	file := workbook.File{Name: "many.xlsx", Data: many(t, trainees)}
	change := mustImport(t, registered(t), o, file)
	if rows := 3*trainees + 3; last != rows || lastTotal != rows || calls < rows/1000 {
		t.Errorf("progress ended at %d of %d after %d calls, want %d", last, lastTotal, calls, rows)
	}
	o.Progress = nil
	if again := mustImport(t, change.Content, o, file); !again.Empty() {
		t.Errorf("importing again changes %v", again)
	}
}

// TestManyLessons: what is checked against each other is not checked by pairs.
func TestManyLessons(t *testing.T) {
	t.Parallel()
	lessons := grid{{"基地编码", "班次编号", "日期", "开始", "结束", "类型"}}
	for i := range 1500 {
		lessons = append(lessons, []any{"b1", "C", 47000 + i/2, []string{"08:30", "13:30"}[i%2], []string{"11:30", "17:00"}[i%2], "理论"})
	}
	change := mustImport(t, registered(t), options(), workbook.File{Name: "many.xlsx", Data: xlsx(t, named{"课表", lessons})})
	if got := len(change.Content.People["b1"].Sessions); got != 1509 {
		t.Errorf("got %d lessons, want 1509", got)
	}
}

func BenchmarkImport(b *testing.B) {
	file := workbook.File{Name: "many.xlsx", Data: many(b, 16_700)}
	content, o := registered(b), options()
	o.Base = "b1"
	for b.Loop() {
		mustImport(b, content, o, file)
	}
	b.ReportMetric(float64(3*16_700*b.N)/b.Elapsed().Seconds(), "rows/s")
}
